// The passes of a transform, for any vector type `Lanes`; included by one translation unit per instruction set.
//
// Only raw pointers cross into such a unit: a template of the standard library instantiated for a newer processor could
// otherwise be linked into code that runs on an older one.
#pragma once

#include "ntt_plan.h"
#include "zkdl/ntt.kernel.h"

namespace zkdl {

// Lanes: count, load, store, transpose of a tile of four vectors, and the operations of the field.
template <class Lanes>
struct Passes {
    static constexpr u64 kLanes = Lanes::count;

    // Blocks of four, twiddles one. A vector holds one quarter of `kLanes` blocks after the transposition.
    template <bool is_time>
    static ZK_FN void smallest_blocks(u64* data, u64 size, bool is_inverse) {
        for (u64 i = 0; i < size; i += 4 * kLanes) {
            Lanes x[4];
            for (u64 k = 0; k < 4; ++k) x[k] = Lanes::load(data + i + k * kLanes);
            transpose(x[0], x[1], x[2], x[3]);
            if (is_time)
                four_times(x[0], x[1], x[2], x[3], is_inverse);
            else
                four_frequencies(x[0], x[1], x[2], x[3], is_inverse);
            transpose(x[0], x[1], x[2], x[3]);
            for (u64 k = 0; k < 4; ++k) x[k].store(data + i + k * kLanes);
        }
    }

    template <bool is_time>
    static ZK_FN void radix_four(u64* data, u64 quarter, const Level& level, bool is_inverse) {
        for (u64 j = 0; j < quarter; j += kLanes) {
            Lanes x[4];
            for (u64 k = 0; k < 4; ++k) x[k] = Lanes::load(data + j + k * quarter);
            const Lanes w1 = Lanes::load(level.w1 + j), w2 = Lanes::load(level.w2 + j), w3 = Lanes::load(level.w3 + j);
            if (is_time)
                time_four(x[0], x[1], x[2], x[3], w1, w2, w3, is_inverse);
            else
                frequency_four(x[0], x[1], x[2], x[3], w1, w2, w3, is_inverse);
            for (u64 k = 0; k < 4; ++k) x[k].store(data + j + k * quarter);
        }
    }

    // The same on neighbouring blocks of 16, when a vector is longer than their quarters: half of it from each of two.
    template <bool is_time>
    static ZK_FN void radix_four_of_two(u64* data, u64 size, const Level& level, bool is_inverse) {
        if constexpr (kLanes == 8) {
            const Lanes w1 = Lanes::load_halves(level.w1, level.w1), w2 = Lanes::load_halves(level.w2, level.w2);
            const Lanes w3 = Lanes::load_halves(level.w3, level.w3);
            for (u64 i = 0; i < size; i += 32) {
                Lanes x[4];
                for (u64 k = 0; k < 4; ++k) x[k] = Lanes::load_halves(data + i + 4 * k, data + i + 16 + 4 * k);
                if (is_time)
                    time_four(x[0], x[1], x[2], x[3], w1, w2, w3, is_inverse);
                else
                    frequency_four(x[0], x[1], x[2], x[3], w1, w2, w3, is_inverse);
                for (u64 k = 0; k < 4; ++k) x[k].store_halves(data + i + 4 * k, data + i + 16 + 4 * k);
            }
        }
    }

    // One level over all blocks of `length` elements.
    template <bool is_time>
    static ZK_FN void all_blocks(u64* data, u64 size, u64 length, const Level& level, bool is_inverse) {
        if (length / 4 < kLanes) return radix_four_of_two<is_time>(data, size, level, is_inverse);
        for (u64 i = 0; i < size; i += length) radix_four<is_time>(data + i, length / 4, level, is_inverse);
    }

    template <bool is_time>
    static ZK_FN void radix_two(u64* data, const Plan& plan) {
        const u64 half = plan.size / 2;
        for (u64 j = 0; j < half; j += kLanes) {
            Lanes a = Lanes::load(data + j), b = Lanes::load(data + j + half);
            const Lanes w = Lanes::load(plan.top + j);
            if (is_time)
                time_two(a, b, w);
            else
                frequency_two(a, b, w);
            a.store(data + j);
            b.store(data + j + half);
        }
    }

    // All levels on blocks that fit into the first-level cache, block after block; larger levels around that.
    template <bool is_time>
    static void block(u64* data, u64 size, u64 depth, const Plan& plan) {
        if (size == 1) return;
        const u64 quarter = size / 4;
        if (!is_time && quarter > 1) radix_four<is_time>(data, quarter, plan.levels[depth], plan.is_inverse);
        if (quarter > kCacheQuarter)
            for (u64 i = 0; i < 4; ++i) block<is_time>(data + i * quarter, quarter, depth + 1, plan);
        else
            level_by_level<is_time>(data, size, depth + 1, plan);
        if (is_time && quarter > 1) radix_four<is_time>(data, quarter, plan.levels[depth], plan.is_inverse);
    }

    // The levels from `depth` down to blocks of four, on `size` elements (4^k), each level over all of them.
    template <bool is_time>
    static ZK_FN void level_by_level(u64* data, u64 size, u64 depth, const Plan& plan) {
        if (is_time) {
            smallest_blocks<is_time>(data, size, plan.is_inverse);
            u64 length = 16, level = plan.level_count - 1;
            for (; level > depth; length *= 4) {
                --level;
                all_blocks<is_time>(data, size, length, plan.levels[level], plan.is_inverse);
            }
        } else {
            u64 length = size / 4;
            for (u64 level = depth; level + 1 < plan.level_count; ++level, length /= 4)
                all_blocks<is_time>(data, size, length, plan.levels[level], plan.is_inverse);
            smallest_blocks<is_time>(data, size, plan.is_inverse);
        }
    }

    template <bool is_time>
    static void transform(u64* data, const Plan& plan) {
        const u64 size = plan.top != nullptr ? plan.size / 2 : plan.size;
        if (!is_time && plan.top != nullptr) radix_two<is_time>(data, plan);
        for (u64 i = 0; i < plan.size; i += size) block<is_time>(data + i, size, 0, plan);
        if (is_time && plan.top != nullptr) radix_two<is_time>(data, plan);
    }

    static void multiply_arrays(const u64* a, const u64* b, u64* out, u64 count) {
        for (u64 i = 0; i < count; i += kLanes) multiply(Lanes::load(a + i), Lanes::load(b + i)).store(out + i);
    }

    static constexpr u64 kCacheQuarter = 512;
};

}  // namespace zkdl
