// Reed-Solomon codes and the hashes of their columns.
#include "arrays.h"
#include "hash.h"
#include "ntt.h"

namespace zkdl {

namespace {

void interpolate(Rows values, RowsOut out, unsigned threads) {
    const u64 rows = values.shape(0), size = values.shape(1);
    require_power_of_two(size, "the row length must be a power of two up to 2^32");
    require(out.shape(0) == rows && out.shape(1) == size, "out must have the shape of values");
    thread_count(threads);
    const u64* from = values.data();
    u64* to = out.data();
    const nb::gil_scoped_release release;
    interpolate_rows(from, rows, size, to, threads);
}

void evaluate_coset(Rows coefficients, RowsOut out, unsigned threads) {
    const u64 rows = coefficients.shape(0), k = coefficients.shape(1), n = out.shape(1);
    require_power_of_two(n, "n must be a power of two up to 2^32");
    require(k <= n, "a row must not have more than n coefficients");
    require(out.shape(0) == rows, "out must have as many rows as coefficients");
    thread_count(threads);
    const u64* from = coefficients.data();
    u64* to = out.data();
    const nb::gil_scoped_release release;
    evaluate_rows(from, rows, k, n, to, threads);
}

template <class Integer>
void define_encode(nb::module_& m) {
    m.def(
        "encode",
        [](In<Integer, 2> values, Rows random, RowsOut out, unsigned threads) {
            const u64 rows = values.shape(0), size = values.shape(1), random_count = random.shape(1), n = out.shape(1);
            require_power_of_two(size, "the row length must be a power of two up to 2^32");
            require_power_of_two(n, "n must be a power of two up to 2^32");
            require(size + random_count <= n, "row length plus random coefficients must not exceed n");
            require(random.shape(0) == rows && out.shape(0) == rows, "rows, random and out must have as many rows");
            thread_count(threads);
            const Integer* from = values.data();
            const u64* mask = random.data();
            u64* to = out.data();
            const nb::gil_scoped_release release;
            Encoder(size, random_count, n, threads).encode(from, mask, rows, to, threads);
        },
        "rows"_a.noconvert(), "random"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
        "(m, ell) i32, i64 or u64, (m, t) u64 into out (m, n): W + (x^ell - 1)*R on the code domain.");
}

// Rows whose code is held at once: whole SHA blocks, and few enough that they stay in the last-level cache.
constexpr u64 kStreamedRows = 16;

void require_streamed(u64 rows, u64 size, u64 random_rows, u64 random_count, u64 n) {
    require_power_of_two(size, "the row length must be a power of two up to 2^32");
    require_power_of_two(n, "n must be a power of two up to 2^32");
    require(size + random_count <= n, "row length plus random coefficients must not exceed n");
    require(random_rows == rows, "rows and random must have as many rows");
    require(rows < (u64{1} << 32), "there must be fewer than 2^32 rows");
}

template <class Integer>
void define_streamed(nb::module_& m) {
    m.def(
        "encode_and_hash",
        [](In<Integer, 2> values, Rows random, Digests salts, DigestsOut out, unsigned threads) {
            const u64 rows = values.shape(0), size = values.shape(1), random_count = random.shape(1), n = out.shape(0);
            require_streamed(rows, size, random.shape(0), random_count, n);
            require(salts.shape(0) == n, "salts and out must have the same length");
            thread_count(threads);
            const Integer* from = values.data();
            const u64* mask = random.data();
            const u8* salt = salts.data();
            u8* to = out.data();
            const nb::gil_scoped_release release;
            const CompressPair compress = compress_pair();
            const Encoder encoder(size, random_count, n, threads);
            ColumnHashes hashes(salt, rows, n);
            std::vector<u64> code(kStreamedRows * n);
            for (u64 row = 0; row < rows; row += kStreamedRows) {
                const u64 height = rows - row < kStreamedRows ? rows - row : kStreamedRows;
                encoder.encode(from + row * size, mask + row * random_count, height, code.data(), threads);
                hashes.absorb(code.data(), height, threads, compress);
            }
            hashes.finish(to, compress);
        },
        "rows"_a.noconvert(), "random"_a.noconvert(), "salts"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
        "(m, ell) i32, i64 or u64, (m, t) u64, (n, 32) u8 into out (n, 32): leaves of the code, which is not kept.");
    m.def(
        "encode_columns",
        [](In<Integer, 2> values, Rows random, u64 n, In<i64, 1> indices, RowsOut out, unsigned threads) {
            const u64 rows = values.shape(0), size = values.shape(1), random_count = random.shape(1);
            require_streamed(rows, size, random.shape(0), random_count, n);
            const u64 count = indices.shape(0);
            require(out.shape(0) == count && out.shape(1) == rows, "out must have shape (indices, rows)");
            const i64* at = indices.data();
            for (u64 i = 0; i < count; ++i)
                require(at[i] >= 0 && static_cast<u64>(at[i]) < n, "an index lies outside the code");
            thread_count(threads);
            const Integer* from = values.data();
            const u64* mask = random.data();
            u64* to = out.data();
            const nb::gil_scoped_release release;
            const Encoder encoder(size, random_count, n, threads);
            std::vector<u64> code(kStreamedRows * n);
            for (u64 row = 0; row < rows; row += kStreamedRows) {
                const u64 height = rows - row < kStreamedRows ? rows - row : kStreamedRows;
                encoder.encode(from + row * size, mask + row * random_count, height, code.data(), threads);
                for (u64 i = 0; i < count; ++i)
                    for (u64 r = 0; r < height; ++r) to[i * rows + row + r] = code[r * n + static_cast<u64>(at[i])];
            }
        },
        "rows"_a.noconvert(), "random"_a.noconvert(), "n"_a, "indices"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
        "(m, ell) i32, i64 or u64, (m, t) u64, (i,) i64 into out (i, m): columns of the code.");
}

// is_portable leaves the SHA instructions of the processor unused; the digests are the same.
void hash_columns_of(Rows code, Digests salts, u64 first_index, DigestsOut out, unsigned threads, bool is_portable) {
    const u64 rows = code.shape(0), columns = code.shape(1);
    require(salts.shape(0) == columns && out.shape(0) == columns, "salts and out must have one row per column of code");
    require(rows < (u64{1} << 32), "code must have fewer than 2^32 rows");
    thread_count(threads);
    const u64* from = code.data();
    const u8* salt = salts.data();
    u8* to = out.data();
    const nb::gil_scoped_release release;
    hash_columns(from, salt, first_index, rows, columns, to, threads,
                 is_portable ? compress_pair_portable : compress_pair());
}

void merkle_parents_of(Digests nodes, unsigned level, DigestsOut out, unsigned threads, bool is_portable) {
    const u64 count = out.shape(0);
    require(nodes.shape(0) == 2 * count, "nodes must be twice as long as out");
    require(level >= 1 && level <= 255, "level must be in [1, 255]");
    thread_count(threads);
    const u8* from = nodes.data();
    u8* to = out.data();
    const nb::gil_scoped_release release;
    merkle_parents(from, static_cast<u8>(level), count, to, threads,
                   is_portable ? compress_pair_portable : compress_pair());
}

}  // namespace

void bind_codes(nb::module_& m) {
    m.def("interpolate", &interpolate, "values"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
          "(m, ell) u64 values on <g_ell> into out (m, ell) coefficients.");
    m.def("evaluate_coset", &evaluate_coset, "coefficients"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
          "(m, k) u64 coefficients into out (m, n) values on 7*<g_n>.");
    define_encode<i32>(m);
    define_encode<i64>(m);
    define_encode<u64>(m);
    define_streamed<i32>(m);
    define_streamed<i64>(m);
    define_streamed<u64>(m);
    m.def("hash_columns", &hash_columns_of, "code"_a.noconvert(), "salts"_a.noconvert(), "first_index"_a,
          "out"_a.noconvert(), "threads"_a, "is_portable"_a = false,
          "(m, n) u64, (n, 32) u8 into out (n, 32): leaves of the columns.");
    m.def("merkle_parents", &merkle_parents_of, "nodes"_a.noconvert(), "level"_a, "out"_a.noconvert(), "threads"_a,
          "is_portable"_a = false, "(2m, 32) u8 into out (m, 32): the next level of a Merkle tree.");
}

}  // namespace zkdl
