#include "matrix.h"

#include <algorithm>
#include <vector>

#include "matrix_plan.h"
#include "parallel.h"
#include "processor.h"

namespace zkdl {

namespace {

constexpr u64 kElementsPerTask = 1 << 15;
// The part of a vector that several rows share in the first-level cache.
constexpr u64 kRowPart = 1 << 14;
// Tiles of `vecmat`: a column of a tile is summed in registers, then added to the sum of the column.
constexpr u64 kTileRows = 16;
constexpr u64 kTileColumns = 128;
// Rows of a large matrix lie a power of two apart, all in one set of the cache: a tile is copied to rows that do not.
constexpr u64 kTileStride = kTileColumns + 8;

Extension sum_of(const Extension* values, u64 count) {
    Accumulator c0, c1;
    for (u64 i = 0; i < count; ++i) {
        c0.add_element(values[i].c0);
        c1.add_element(values[i].c1);
    }
    return {c0.value(), c1.value()};
}

template <class Integer>
const MatrixPasses<Integer>* passes_for(const MatrixPasses<Integer>& fast) {
    return has_avx512() ? &fast : nullptr;
}

template <class Integer>
Extension row_dot(const MatrixPasses<Integer>* passes, const Integer* x, const Extension* v, u64 count) {
    const u64 whole = passes == nullptr ? 0 : count / passes->lanes * passes->lanes;
    const Extension rest = image_dot(x + whole, 1, v + whole, count - whole);
    return whole == 0 ? rest : add(passes->dot(x, v, whole), rest);
}

// out[c] = sum over rows of images times v, for up to kTileColumns columns.
template <class Integer>
void tile_sums(const Integer* matrix, u64 stride, u64 rows, u64 width, const Extension* v, Extension* out) {
    Accumulator c0[kTileColumns], c1[kTileColumns];
    u64 images[kTileRows * kTileStride];
    for (u64 row = 0; row < rows; row += kTileRows) {
        const u64 height = std::min(kTileRows, rows - row);
        for (u64 r = 0; r < height; ++r)
            for (u64 c = 0; c < width; ++c)
                images[r * kTileStride + c] = unsigned_image(matrix[(row + r) * stride + c]);
        for (u64 c = 0; c < width; ++c) {
            Accumulator a0 = c0[c], a1 = c1[c];
            for (u64 r = 0; r < height; ++r) {
                const u64 image = images[r * kTileStride + c];
                a0.add_product(image, v[row + r].c0);
                a1.add_product(image, v[row + r].c1);
            }
            c0[c] = a0;
            c1[c] = a1;
        }
    }
    for (u64 c = 0; c < width; ++c) out[c] = {c0[c].value(), c1[c].value()};
}

}  // namespace

#ifdef ZK_AVX512
template <>
const MatrixPasses<i32>* matrix_passes() {
    return passes_for(kAvx512MatrixI32);
}
template <>
const MatrixPasses<i64>* matrix_passes() {
    return passes_for(kAvx512MatrixI64);
}
template <>
const MatrixPasses<u64>* matrix_passes() {
    return passes_for(kAvx512MatrixU64);
}
#else
template <class Integer>
const MatrixPasses<Integer>* matrix_passes() {
    return nullptr;
}
#endif

template <class Integer>
void matvec(const Integer* matrix, const Extension* vectors, u64 rows, u64 columns, u64 period, Extension* out,
            unsigned threads) {
    const u64 parts = std::max<u64>(1, (columns + kRowPart - 1) / kRowPart);
    std::vector<Extension> sums(period * parts), partial(parts > 1 ? rows * parts : 0);
    Extension* const target = parts > 1 ? partial.data() : out;
    const auto length = [&](u64 part) { return std::min(kRowPart, columns - part * kRowPart); };
    if (image_shift(Integer()) != 0)
        parallel_for(period * parts, 4, threads, [&](u64 begin, u64 end) {
            for (u64 k = begin; k < end; ++k) {
                const u64 part = k % parts;
                sums[k] = sum_of(vectors + (k / parts) * columns + part * kRowPart, length(part));
            }
        });
    const MatrixPasses<Integer>* const passes = matrix_passes<Integer>();
    const u64 grain = std::max<u64>(1, kElementsPerTask / std::min(kRowPart, columns + 1));
    parallel_for(rows * parts, grain, threads, [&](u64 begin, u64 end) {
        for (u64 k = begin; k < end; ++k) {
            const u64 row = k / parts, part = k % parts, phase = row % period, first = part * kRowPart;
            const Extension images =
                row_dot(passes, matrix + row * columns + first, vectors + phase * columns + first, length(part));
            target[k] = unshift<Integer>(images, sums[phase * parts + part]);
        }
    });
    if (parts > 1)
        for (u64 row = 0; row < rows; ++row) out[row] = sum_of(partial.data() + row * parts, parts);
}

template <class Integer>
void vecmat(const Extension* vector, const Integer* matrix, u64 rows, u64 columns, Extension* out, unsigned threads) {
    const Extension sum = sum_of(vector, rows);
    const MatrixPasses<Integer>* const passes = matrix_passes<Integer>();
    const u64 blocks = (columns + kTileColumns - 1) / kTileColumns;
    // Few columns: split the rows as well, into parts that are added up below.
    const u64 wanted = blocks >= 4 * u64{threads} ? 1 : (4 * u64{threads} + blocks - 1) / std::max<u64>(1, blocks);
    const u64 parts = std::max<u64>(1, std::min(wanted, rows * std::min(kTileColumns, columns) / kElementsPerTask));
    const u64 part_rows = (rows + parts - 1) / parts;
    std::vector<Extension> partial(parts * columns);
    const u64 grain = std::max<u64>(1, kElementsPerTask / (std::min(kTileColumns, columns + 1) * (part_rows + 1)));
    parallel_for(blocks * parts, grain, threads, [&](u64 begin, u64 end) {
        for (u64 task = begin; task < end; ++task) {
            const u64 first_column = (task % blocks) * kTileColumns, part = task / blocks;
            const u64 width = std::min(kTileColumns, columns - first_column);
            const u64 first = std::min(rows, part * part_rows), last = std::min(rows, first + part_rows);
            const Integer* const tile = matrix + first * columns + first_column;
            Extension* const to = partial.data() + part * columns + first_column;
            const u64 whole = passes == nullptr ? 0 : width / (2 * passes->lanes) * (2 * passes->lanes);
            if (whole > 0) passes->column_sums(tile, columns, last - first, whole, vector + first, to);
            if (whole < width)
                tile_sums(tile + whole, columns, last - first, width - whole, vector + first, to + whole);
        }
    });
    for (u64 c = 0; c < columns; ++c) {
        Extension images = partial[c];
        for (u64 part = 1; part < parts; ++part) images = add(images, partial[part * columns + c]);
        out[c] = unshift<Integer>(images, sum);
    }
}

template void matvec(const i32*, const Extension*, u64, u64, u64, Extension*, unsigned);
template void matvec(const i64*, const Extension*, u64, u64, u64, Extension*, unsigned);
template void matvec(const u64*, const Extension*, u64, u64, u64, Extension*, unsigned);
template void vecmat(const Extension*, const i32*, u64, u64, Extension*, unsigned);
template void vecmat(const Extension*, const i64*, u64, u64, Extension*, unsigned);
template void vecmat(const Extension*, const u64*, u64, u64, Extension*, unsigned);

}  // namespace zkdl
