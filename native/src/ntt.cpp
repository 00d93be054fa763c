#include "ntt.h"

#include <algorithm>

#include "parallel.h"
#include "processor.h"
#include "zkdl/goldilocks.h"

namespace zkdl {

namespace {

// About 50 microseconds of butterflies.
constexpr u64 kPointsPerTask = 1 << 12;

std::vector<u64> powers(u64 base, u64 count) {
    std::vector<u64> out(count);
    u64 value = 1;
    for (u64 i = 0; i < count; ++i) {
        out[i] = value;
        value = multiply(value, base);
    }
    return out;
}

std::vector<u64> reversed_order(const std::vector<u64>& natural, unsigned bits) {
    std::vector<u64> out(natural.size());
    for (u64 i = 0; i < natural.size(); ++i) out[bit_reversed(i, bits)] = natural[i];
    return out;
}

// Everything about the cosets 7*g_n^s * <g_size> that does not depend on the row.
struct Cosets {
    u64 size, count;
    unsigned bits;
    // scale[s][i] = shift_s^rev(i) * factor, to multiply bit-reversed coefficients with
    std::vector<std::vector<u64>> scale;
    // tail[s][j] = (shift_s^size - 1) * shift_s^j: what coefficient j of R brings to coefficient j mod size
    std::vector<std::vector<u64>> tail;

    Cosets(u64 size, u64 n, u64 factor, u64 tail_count, unsigned threads)
        : size(size), count(n / size), bits(log2_exact(size)), scale(count), tail(count) {
        const u64 root = root_of_unity(n);
        parallel_for(count, std::max<u64>(1, kPointsPerTask / size), threads, [&](u64 begin, u64 end) {
            for (u64 s = begin; s < end; ++s) {
                const u64 shift = multiply(kGenerator, power(root, s));
                scale[s] = reversed_order(powers(shift, size), bits);
                for (u64& x : scale[s]) x = multiply(x, factor);
                const u64 kappa = subtract(power(shift, size), 1);
                tail[s] = powers(shift, tail_count);
                for (u64& x : tail[s]) x = multiply(x, kappa);
            }
        });
    }
};

// Values of cosets [first, first + group) of one row, interleaved into out[q * count + s].
void evaluate_cosets(const Transform& forward, const Cosets& cosets, const u64* reversed_coefficients,
                     const u64* random, u64 random_count, u64 first, u64 group, u64* scratch, u64* out) {
    const u64 size = cosets.size;
    // Eight more words a row: a power-of-two stride would map all cosets to one set of the cache.
    const u64 stride = size + 8;
    for (u64 g = 0; g < group; ++g) {
        u64* data = scratch + g * stride;
        const u64* scale = cosets.scale[first + g].data();
        forward.multiply(reversed_coefficients, scale, data);
        const u64* tail = cosets.tail[first + g].data();
        for (u64 j = 0; j < random_count; ++j) {
            u64& target = data[bit_reversed(j & (size - 1), cosets.bits)];
            target = add(target, multiply(random[j], tail[j]));
        }
        forward.decimate_time(data);
    }
    for (u64 q = 0; q < size; ++q)
        for (u64 g = 0; g < group; ++g) out[q * cosets.count + first + g] = scratch[g * stride + q];
}

// load(row, data) writes the bit-reversed coefficients of a row; few rows are split further, into cosets.
template <class Load>
void evaluate_all(const Cosets& cosets, const Transform& forward, u64 rows, u64 n, const u64* random,
                  u64 random_count, u64* out, unsigned threads, const Load& load) {
    const u64 group = rows >= 2 * u64{threads} ? cosets.count : std::max<u64>(1, cosets.count / (2 * u64{threads}));
    const u64 groups = (cosets.count + group - 1) / group;
    const u64 grain = std::max<u64>(1, kPointsPerTask / (group * cosets.size));
    const u64 scratch_size = cosets.size + group * (cosets.size + 8);
    parallel_for(rows * groups, grain, threads, [&](u64 begin, u64 end) {
        std::vector<u64> scratch(scratch_size);
        for (u64 task = begin; task < end; ++task) {
            const u64 row = task / groups, first = (task % groups) * group;
            load(row, scratch.data());
            evaluate_cosets(forward, cosets, scratch.data(), random + row * random_count, random_count, first,
                            std::min(group, cosets.count - first), scratch.data() + cosets.size, out + row * n);
        }
    });
}

}  // namespace

unsigned log2_exact(u64 n) {
    unsigned bits = 0;
    while ((u64{1} << bits) < n) ++bits;
    return bits;
}

u64 bit_reversed(u64 i, unsigned bits) {
    if (bits == 0) return i;
    i = ((i >> 1) & 0x5555555555555555ULL) | ((i & 0x5555555555555555ULL) << 1);
    i = ((i >> 2) & 0x3333333333333333ULL) | ((i & 0x3333333333333333ULL) << 2);
    i = ((i >> 4) & 0x0F0F0F0F0F0F0F0FULL) | ((i & 0x0F0F0F0F0F0F0F0FULL) << 4);
    return __builtin_bswap64(i) >> (64 - bits);
}

Transform::Transform(u64 size, bool is_inverse) {
    const unsigned bits = log2_exact(size);
    const auto root_of = [&](u64 block) {
        const u64 root = root_of_unity(block);
        return is_inverse ? inverse(root) : root;
    };
    const bool has_top = bits % 2 == 1;
    if (has_top) twiddles_.push_back(powers(root_of(size), size / 2));
    for (u64 block = has_top ? size / 2 : size; block >= 4; block /= 4) {
        const u64 w = root_of(block);
        for (u64 step = 1; step <= 3; ++step) twiddles_.push_back(powers(power(w, step), block / 4));
    }
    for (std::size_t i = has_top; i < twiddles_.size(); i += 3)
        levels_.push_back({twiddles_[i].data(), twiddles_[i + 1].data(), twiddles_[i + 2].data()});
    plan_ = {size, is_inverse, levels_.size(), levels_.data(), has_top ? twiddles_[0].data() : nullptr};
    const auto use = [&](const PassTable* passes) {
        if (passes != nullptr && (has_top ? size / 2 : size) >= passes->smallest_size) passes_ = passes;
    };
    use(&kScalarPasses);
    use(avx2_passes());
#ifdef ZK_AVX512
    if (has_avx512()) use(&kAvx512Passes);
#endif
}

void interpolate_rows(const u64* values, u64 rows, u64 size, u64* out, unsigned threads) {
    const Transform backward(size, true);
    const unsigned bits = log2_exact(size);
    const u64 scale = inverse(size);
    parallel_for(rows, std::max<u64>(1, kPointsPerTask / size), threads, [&](u64 begin, u64 end) {
        std::vector<u64> scratch(size);
        for (u64 row = begin; row < end; ++row) {
            std::copy_n(values + row * size, size, scratch.data());
            backward.decimate_frequency(scratch.data());
            for (u64 i = 0; i < size; ++i) out[row * size + i] = multiply(scratch[bit_reversed(i, bits)], scale);
        }
    });
}

void evaluate_rows(const u64* coefficients, u64 rows, u64 k, u64 n, u64* out, unsigned threads) {
    u64 size = 1;
    while (size < k) size *= 2;
    const Cosets cosets(size, n, 1, 0, threads);
    const Transform forward(size, false);
    evaluate_all(cosets, forward, rows, n, nullptr, 0, out, threads, [&](u64 row, u64* data) {
        for (u64 i = 0; i < size; ++i) {
            const u64 from = bit_reversed(i, cosets.bits);
            data[i] = from < k ? coefficients[row * k + from] : 0;
        }
    });
}

struct Encoder::Tables {
    Cosets cosets;
    Transform backward, forward;

    Tables(u64 size, u64 random_count, u64 n, unsigned threads)
        : cosets(size, n, inverse(size), random_count, threads), backward(size, true), forward(size, false) {}
};

Encoder::Encoder(u64 size, u64 random_count, u64 n, unsigned threads)
    : size_(size), random_count_(random_count), n_(n), tables_(new Tables(size, random_count, n, threads)) {}

Encoder::~Encoder() = default;

template <class Integer>
void Encoder::encode(const Integer* values, const u64* random, u64 rows, u64* out, unsigned threads) const {
    const Tables& tables = *tables_;
    const auto load = [&](u64 row, u64* data) {
        for (u64 i = 0; i < size_; ++i) data[i] = from_int(values[row * size_ + i]);
        tables.backward.decimate_frequency(data);
    };
    evaluate_all(tables.cosets, tables.forward, rows, n_, random, random_count_, out, threads, load);
}

template void Encoder::encode(const i32*, const u64*, u64, u64*, unsigned) const;
template void Encoder::encode(const i64*, const u64*, u64, u64*, unsigned) const;
template void Encoder::encode(const u64*, const u64*, u64, u64*, unsigned) const;

}  // namespace zkdl
