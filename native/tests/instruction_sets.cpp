// Every set of passes against the scalar one, on random values and on edges of the field. Prints what was compared, or what
// differs and exits with 1. See tests/kernels/test_portability.py.
#include <cstdio>
#include <string>
#include <vector>

#include "fraction_plan.h"
#include "matrix_plan.h"
#include "ntt.h"
#include "processor.h"

namespace zkdl {
namespace {

int failures = 0;

struct Random {
    u64 state = 1;

    u64 next() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
    }
    // One in four is an edge.
    u64 element() {
        constexpr u64 edges[] = {0, 1, 2, kEpsilon, kEpsilon + 1, kModulus - 1, kModulus - 2, u64{1} << 63, (u64{1} << 52) - 1, u64{1} << 52};
        const u64 value = next();
        return value % 4 == 0 ? edges[(value >> 8) % 10] : canonical(next());
    }
    i32 integer() {
        constexpr i32 edges[] = {0, 1, -1, 2147483647, -2147483647 - 1};
        const u64 value = next();
        return value % 4 == 0 ? edges[(value >> 8) % 5] : static_cast<i32>(value >> 32);
    }
    Extension extension() { return {element(), element()}; }
    std::vector<Extension> extensions(u64 count) {
        std::vector<Extension> out(count);
        for (auto& x : out) x = extension();
        return out;
    }
    std::vector<i32> integers(u64 count) {
        std::vector<i32> out(count);
        for (auto& x : out) x = integer();
        return out;
    }
};

void compare(const std::string& what, const std::vector<Extension>& a, const std::vector<Extension>& b) {
    for (u64 i = 0; i < a.size(); ++i)
        if (a[i].c0 != b[i].c0 || a[i].c1 != b[i].c1) {
            std::printf("%s differs at %llu\n", what.c_str(), static_cast<unsigned long long>(i));
            ++failures;
            return;
        }
    std::printf("%s\n", what.c_str());
}

using Outputs = std::vector<Extension>;

void compare_fractions(const FractionTable& fast, Random& random) {
    const FractionTable& slow = kScalarFractions;
    // Longer than a sum may grow before it is reduced, and any multiple of the lanes.
    for (const u64 blocks : {fast.lanes, 5 * fast.lanes, 300 * fast.lanes}) {
        const auto p = random.extensions(4 * blocks), q = random.extensions(4 * blocks), weights = random.extensions(blocks);
        const Extension lam = random.extension(), r[3] = {random.extension(), random.extension(), random.extension()};
        const auto both = [&](const char* name, u64 count, const auto& run) {
            Outputs a(count, {0, 0}), b(count, {0, 0});
            run(slow, a.data());
            run(fast, b.data());
            compare(std::string(name) + " " + std::to_string(blocks), a, b);
        };
        both("layer", 4 * blocks, [&](const FractionTable& t, Extension* out) { t.layer(p.data(), q.data(), 2 * blocks, out, out + 2 * blocks); });
        both("round", 2, [&](const FractionTable& t, Extension* out) { t.round(p.data(), q.data(), blocks, lam, weights.data(), out); });
        both("bind", 2 * blocks, [&](const FractionTable& t, Extension* out) { t.bind(p.data(), lam, blocks, out); });
        for (u64 fields = 1; fields <= kLeafFields; ++fields) {
            const auto values = random.integers(kLeafFields * 16 * blocks);
            LinearForm form{random.extension(), fields, {}, {}};
            for (u64 c = 0; c < fields; ++c) {
                for (Extension& x : form.coefficient[c]) x = random.extension();
                form.field[c] = values.data() + c * 16 * blocks;
            }
            for (unsigned bound = 0; bound < kLeafDepth; ++bound) {
                both("unit round", 2, [&](const FractionTable& t, Extension* out) { t.unit_round(form, bound, blocks, weights.data(), out); });
                both("unit bind", 2 * blocks, [&](const FractionTable& t, Extension* out) { t.unit_bind(form, bound + 1, blocks, out); });
            }
            for (unsigned level = 1; level <= kLeafDepth; ++level) {
                both("leaf table", 2 * blocks, [&](const FractionTable& t, Extension* out) { t.leaf_table(form, level, blocks, out, out + blocks); });
                for (unsigned bound = 0; level + bound < kLeafDepth; ++bound) {
                    both("leaf round", 2, [&](const FractionTable& t, Extension* out) {
                        t.leaf_round(form, level, r, bound, blocks, lam, weights.data(), out);
                    });
                    both("leaf bind", 4 * blocks, [&](const FractionTable& t, Extension* out) {
                        t.leaf_bind(form, level, r, bound + 1, blocks, out, out + 2 * blocks);
                    });
                }
            }
        }
    }
}

template <class Integer>
void compare_matrix(const char* name, const MatrixPasses<Integer>& fast, Random& random) {
    constexpr u64 rows = 1100, width = 96, stride = 100;
    std::vector<Integer> matrix(rows * stride);
    for (Integer& x : matrix) x = static_cast<Integer>(sizeof(Integer) == 4 ? static_cast<u64>(random.integer()) : random.element());
    const auto v = random.extensions(rows);
    Outputs expected(width), found(width);
    for (u64 c = 0; c < width; ++c) expected[c] = image_dot(matrix.data() + c, stride, v.data(), rows);
    fast.column_sums(matrix.data(), stride, rows, width, v.data(), found.data());
    compare(std::string("column sums ") + name, expected, found);
    constexpr u64 count = 1096;
    std::vector<Extension> long_vector = random.extensions(8 * count);
    std::vector<Integer> row(8 * count);
    for (u64 i = 0; i < row.size(); ++i) row[i] = matrix[i];
    compare(std::string("dot ") + name, {image_dot(row.data(), 1, long_vector.data(), row.size())},
            {fast.dot(row.data(), long_vector.data(), row.size())});
}

void compare_transforms(const PassTable& fast, const char* name, Random& random) {
    for (unsigned bits = 4; bits <= 15; ++bits)
        for (const bool is_inverse : {false, true}) {
            const u64 size = u64{1} << bits;
            const Transform transform(size, is_inverse);
            if ((bits % 2 == 0 ? size : size / 2) < fast.smallest_size) continue;
            std::vector<u64> data(size);
            for (u64& x : data) x = random.element();
            for (const bool is_time : {false, true}) {
                auto a = data, b = data;
                (is_time ? kScalarPasses.time : kScalarPasses.frequency)(a.data(), transform.plan());
                (is_time ? fast.time : fast.frequency)(b.data(), transform.plan());
                if (a != b) ++failures;
                std::printf("transform %s 2^%u %s\n", name, bits, a == b ? "" : "differs");
            }
        }
}

}  // namespace
}  // namespace zkdl

int main() {
    using namespace zkdl;
    Random random;
    if (avx2_passes() != nullptr) compare_transforms(*avx2_passes(), "AVX2", random);
#ifdef ZK_AVX512
    if (has_avx512()) {
        compare_transforms(kAvx512Passes, "AVX-512", random);
        compare_fractions(kAvx512Fractions, random);
        compare_matrix("i32", kAvx512MatrixI32, random);
        compare_matrix("i64", kAvx512MatrixI64, random);
        compare_matrix("u64", kAvx512MatrixU64, random);
    }
#endif
    return failures == 0 ? 0 : 1;
}
