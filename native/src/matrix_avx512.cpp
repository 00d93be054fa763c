// Integer matrices times vectors with eight lanes, for processors with AVX-512 and its 52-bit multiplication; chosen at run
// time.
#include "processor.h"

#ifdef ZK_AVX512
#include "begin_avx512.h"
// Templates take the instruction set that holds where they are defined.
#include "lanes_avx512.h"
#include "matrix_plan.h"

namespace zkdl {

namespace {

// Terms after which an accumulator is reduced, and rows after which it rests in memory.
constexpr u64 kTerms = 512;
constexpr u64 kTileRows = 16;

struct Sums {
    AccumulatorOf<Lanes8> c0, c1;

    ZK_FN ExtensionOf<Lanes8> value() const { return {c0.value(), c1.value()}; }
};

// The factor of a row or of eight columns, with what lies above 52 bits.
struct Factor {
    Lanes8 c0, c1, top0, top1;

    ZK_FN explicit Factor(ExtensionOf<Lanes8> v) : c0(v.c0), c1(v.c1), top0(v.c0.top()), top1(v.c1.top()) {}
};

ZK_FN void add_term(Sums& sums, const Factor& v, Lanes8 image, i32) {
    sums.c0.add_small_product(v.c0, v.top0, image);
    sums.c1.add_small_product(v.c1, v.top1, image);
}
template <class Integer>
ZK_FN void add_term(Sums& sums, const Factor& v, Lanes8 image, Integer) {
    sums.c0.add_product(v.c0, image);
    sums.c1.add_product(v.c1, image);
}

template <class Integer>
Extension dot(const Integer* x, const Extension* v, u64 count) {
    Extension out{0, 0};
    for (u64 c = 0; c < count;) {
        Sums sums;
        for (const u64 stop = c + 8 * kTerms; c < count && c < stop; c += 8) {
            Lanes8 words[2];
            Lanes8::deinterleave<2>(&v[c].c0, words);
            add_term(sums, Factor({words[0], words[1]}), Lanes8::load_images(x + c), Integer());
        }
        const ExtensionOf<Lanes8> value = sums.value();
        u64 c0[8], c1[8];
        value.c0.store(c0);
        value.c1.store(c1);
        for (u64 k = 0; k < 8; ++k) out = add(out, Extension{c0[k], c1[k]});
    }
    return out;
}

constexpr u64 kMaxWidth = 128;

template <class Integer>
void column_sums(const Integer* matrix, u64 stride, u64 rows, u64 width, const Extension* v, Extension* out) {
    for (u64 c = 0; c < width; ++c) out[c] = {0, 0};
    for (u64 row = 0; row < rows;) {
        Sums sums[kMaxWidth / 8];
        for (const u64 stop = row + kTerms; row < rows && row < stop; row += kTileRows) {
            const u64 height = rows - row < kTileRows ? rows - row : kTileRows;
            // Sixteen columns of 32 bits are a line of the cache.
            for (u64 c = 0; c < width; c += 16) {
                Sums first = sums[c / 8], second = sums[c / 8 + 1];
                for (u64 r = row; r < row + height; ++r) {
                    const Factor factor({Lanes8::all(v[r].c0), Lanes8::all(v[r].c1)});
                    const Integer* from = matrix + r * stride + c;
                    add_term(first, factor, Lanes8::load_images(from), Integer());
                    add_term(second, factor, Lanes8::load_images(from + 8), Integer());
                }
                sums[c / 8] = first;
                sums[c / 8 + 1] = second;
            }
        }
        for (u64 c = 0; c < width; c += 8) {
            const ExtensionOf<Lanes8> value = sums[c / 8].value();
            Lanes8 words[2] = {value.c0, value.c1};
            Extension part[8];
            Lanes8::interleave<2>(words, &part[0].c0);
            for (u64 k = 0; k < 8; ++k) out[c + k] = add(out[c + k], part[k]);
        }
    }
}

}  // namespace

const MatrixPasses<i32> kAvx512MatrixI32{8, dot<i32>, column_sums<i32>};
const MatrixPasses<i64> kAvx512MatrixI64{8, dot<i64>, column_sums<i64>};
const MatrixPasses<u64> kAvx512MatrixU64{8, dot<u64>, column_sums<u64>};

}  // namespace zkdl
#endif
