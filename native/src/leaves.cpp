#include "leaves.h"

#include <algorithm>

#include "parallel.h"

namespace zkdl {

namespace {

// Both tables of a tile fit into the first-level cache.
constexpr u64 kTileLeaves = 1 << 10;

struct Tile {
    Extension p[kTileLeaves], q[kTileLeaves];
    // All numerators are one: p of the leaves is then not looked at.
    bool is_unit;
};

void fill_leaves(const LeafProgram& program, u64 begin, u64 end, Tile& tile) {
    auto span = std::upper_bound(program.begin(), program.end(), begin,
                                 [](u64 leaf, const LeafSpan& each) { return leaf < each.stop; });
    tile.is_unit = span != program.end() && span->start <= begin && end <= span->active_stop && span->counts == nullptr;
    u64 i = begin;
    while (i < end) {
        const u64 start = span == program.end() ? end : std::min(end, std::max(i, span->start));
        for (; i < start; ++i) {
            tile.p[i - begin] = {0, 0};
            tile.q[i - begin] = {1, 0};
        }
        if (span == program.end()) continue;
        const LeafSpan here = *span++;
        for (const u64 stop = std::min(end, here.stop); i < stop; ++i)
            leaf_at(here, i, tile.p + (i - begin), tile.q + (i - begin));
    }
}

// The tile's entries, two leaves each after a layer and two entries each after a bind; returns how many are left.
u64 reach_stage(const LeafStage& stage, Tile& tile, u64 here) {
    for (unsigned k = 0; k < stage.level; ++k) {
        here /= 2;
        // Parent i overwrites an entry that no later parent reads.
        if (tile.is_unit)
            for (u64 i = 0; i < here; ++i) unit_layer_at(tile.q, tile.p, tile.q, i);
        else
            for (u64 i = 0; i < here; ++i) fraction_layer_at(tile.p, tile.q, tile.p, tile.q, i);
        tile.is_unit = false;
    }
    for (const Extension& r : stage.bound) {
        const u64 r7 = times_seven(r.c1);
        here /= 2;
        for (u64 j = 0; j < here; ++j) tile.q[j] = fraction_bind_at(tile.q, r, r7, j);
        if (!tile.is_unit)
            for (u64 j = 0; j < here; ++j) tile.p[j] = fraction_bind_at(tile.p, r, r7, j);
    }
    return here;
}

// Calls body(first entry, entries, tile) on tiles of the table at this stage that cover [0, count).
template <class Body>
void for_tiles(const LeafProgram& program, const LeafStage& stage, u64 count, u64 begin, u64 end, const Body& body) {
    Tile tile;
    const unsigned depth = stage.depth();
    const u64 entries = kTileLeaves >> depth;
    for (u64 first = begin * entries; first < std::min(count, end * entries); first += entries) {
        const u64 leaves = std::min(entries, count - first) << depth;
        fill_leaves(program, first << depth, (first << depth) + leaves, tile);
        body(first, reach_stage(stage, tile, leaves), tile);
    }
}

u64 tile_count(const LeafStage& stage, u64 count) {
    const u64 entries = kTileLeaves >> stage.depth();
    return (count + entries - 1) / entries;
}

constexpr u64 kTilesPerTask = 16;

struct Sums {
    Extension at_zero, leading;
};

}  // namespace

void leaf_table(const LeafProgram& program, unsigned level, u64 count, Extension* p, Extension* q, unsigned threads) {
    leaf_bind(program, {level, {}}, count, p, q, threads);
}

void leaf_round(const LeafProgram& program, const LeafStage& stage, u64 count, Extension lam, const Extension* weights_high,
                const Extension* weights_low, u64 low_count, Extension* out, unsigned threads) {
    const u64 lam7 = times_seven(lam.c1);
    const auto partial = [&](u64 begin, u64 end) {
        Sums sum{{0, 0}, {0, 0}};
        for_tiles(program, stage, 4 * count, begin, end, [&](u64 first, u64 here, const Tile& tile) {
            const u64 from = first / 4, to = (first + here) / 4;
            // The high weight is common to `low_count` neighbours: it multiplies their sum.
            for (u64 i = from; i < to;) {
                const u64 block = i / low_count, stop = std::min(to, (block + 1) * low_count);
                const Extension* low = weights_low + (i - block * low_count);
                const Extension high = weights_high[block];
                Extension at_zero, leading;
                if (tile.is_unit) {
                    UnitRound round;
                    for (u64 k = 0; k < stop - i; ++k) round.add_at(tile.q, low[k], i - from + k);
                    at_zero = round.at_zero_value(lam);
                    leading = round.leading_value(lam);
                } else {
                    FractionRound round;
                    for (u64 k = 0; k < stop - i; ++k) round.add_at(tile.p, tile.q, lam, lam7, low[k], i - from + k);
                    at_zero = round.at_zero.value();
                    leading = round.leading.value();
                }
                sum.at_zero = multiply_add(sum.at_zero, high, at_zero);
                sum.leading = multiply_add(sum.leading, high, leading);
                i = stop;
            }
        });
        return sum;
    };
    const auto combine = [](Sums& all, const Sums& part) {
        all = {add(all.at_zero, part.at_zero), add(all.leading, part.leading)};
    };
    const Sums sum = parallel_reduce(tile_count(stage, 4 * count), kTilesPerTask, threads, Sums{{0, 0}, {0, 0}},
                                     partial, combine);
    out[0] = sum.at_zero;
    out[1] = sum.leading;
}

void leaf_bind(const LeafProgram& program, const LeafStage& stage, u64 count, Extension* p, Extension* q,
               unsigned threads) {
    parallel_for(tile_count(stage, count), kTilesPerTask, threads, [&](u64 begin, u64 end) {
        for_tiles(program, stage, count, begin, end, [&](u64 first, u64 here, const Tile& tile) {
            // Numerators of one stay one under every bind.
            if (tile.is_unit)
                std::fill_n(p + first, here, Extension{1, 0});
            else
                std::copy_n(tile.p, here, p + first);
            std::copy_n(tile.q, here, q + first);
        });
    });
}

}  // namespace zkdl
