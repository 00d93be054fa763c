#include "leaves.h"

#include <algorithm>
#include <optional>

#include "fraction_plan.h"
#include "fractions.h"
#include "parallel.h"

namespace zkdl {

namespace {

// Both tables of a tile fit into the first-level cache.
constexpr u64 kTileLeaves = 1 << 10;
constexpr u64 kTilesPerTask = 16;

struct Tile {
    Extension p[kTileLeaves], q[kTileLeaves];
};

LeafProgram::const_iterator span_of(const LeafProgram& program, u64 leaf) {
    return std::upper_bound(program.begin(), program.end(), leaf,
                            [](u64 at, const LeafSpan& each) { return at < each.stop; });
}

void fill_leaves(const LeafProgram& program, u64 begin, u64 end, Tile& tile) {
    auto span = span_of(program, begin);
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
        for (u64 i = 0; i < here; ++i) fraction_layer_at(tile.p, tile.q, tile.p, tile.q, i);
    }
    for (const Extension& r : stage.bound) {
        const u64 r7 = times_seven(r.c1);
        here /= 2;
        for (u64 j = 0; j < here; ++j) tile.q[j] = fraction_bind_at(tile.q, r, r7, j);
        for (u64 j = 0; j < here; ++j) tile.p[j] = fraction_bind_at(tile.p, r, r7, j);
    }
    return here;
}

// Leaves with numerators of one stay small integers until an entry of the stage has been computed from them. On the lowest
// level, an entry of bound variables is a linear form in the integers, and so is 1 + lam * entry.
class UnitLeaves {
   public:
    UnitLeaves(const LeafProgram& program, const LeafStage& stage, std::optional<Extension> lam) : program_(program) {
        const bool is_lowest = stage.level == 0;
        std::vector<Extension> factors{lam && is_lowest ? *lam : Extension{1, 0}};
        if (is_lowest)
            for (const Extension& r : stage.bound) {
                // The first variable is the lowest bit of a term's index.
                const u64 terms = factors.size();
                for (u64 s = 0; s < terms; ++s) factors.push_back(multiply(factors[s], r));
                for (u64 s = 0; s < terms; ++s) factors[s] = subtract(factors[s], factors[s + terms]);
            }
        for (const LeafSpan& span : program) {
            LinearForm form{span.constant, span.field_count, {}, {}};
            if (lam && is_lowest) form.constant = add(multiply(*lam, span.constant), Extension{1, 0});
            for (u64 c = 0; c < span.field_count; ++c) {
                for (u64 s = 0; s < factors.size(); ++s) form.coefficient[c][s] = multiply(span.beta[c], factors[s]);
                form.field[c] = span.field[c];
            }
            forms_.push_back(form);
        }
    }

    // How many leaves from `begin` on, up to `end`, have numerators of one; `form` is then theirs.
    u64 run(u64 begin, u64 end, LinearForm& form) const {
        const auto span = span_of(program_, begin);
        if (span == program_.end() || begin < span->start || begin >= span->active_stop || span->counts != nullptr) return 0;
        form = forms_[static_cast<u64>(span - program_.begin())];
        for (u64 c = 0; c < form.field_count; ++c) form.field[c] += begin - span->start;
        return std::min(end, span->active_stop) - begin;
    }

   private:
    const LeafProgram& program_;
    std::vector<LinearForm> forms_;
};

u64 tile_count(const LeafStage& stage, u64 count) {
    const u64 entries = kTileLeaves >> stage.depth();
    return (count + entries - 1) / entries;
}

// Covers entries [0, count) of the tiles [begin, end): unit(first, entries, form) on whole tiles of leaves with numerators
// of one, if there are passes for them, mixed(first, entries, tile) on every other tile.
template <class Unit, class Mixed>
void for_tiles(const LeafProgram& program, const LeafStage& stage, const UnitLeaves* unit_leaves, u64 count, u64 begin, u64 end,
               const Unit& unit, const Mixed& mixed) {
    Tile tile;
    const unsigned depth = stage.depth();
    const u64 entries = kTileLeaves >> depth, stop = std::min(count, end * entries);
    for (u64 first = begin * entries; first < stop;) {
        LinearForm form;
        const u64 run = unit_leaves == nullptr ? 0 : unit_leaves->run(first << depth, stop << depth, form);
        if (run >= kTileLeaves) {
            const u64 here = run / kTileLeaves * entries;
            unit(first, here, form);
            first += here;
            continue;
        }
        const u64 leaves = std::min(entries, stop - first) << depth;
        fill_leaves(program, first << depth, (first << depth) + leaves, tile);
        mixed(first, reach_stage(stage, tile, leaves), tile);
        first += entries;
    }
}

struct StageSums {
    RoundSums plain;
    // lam times the sums
    RoundSums scaled;
};

}  // namespace

void leaf_round(const LeafProgram& program, const LeafStage& stage, u64 count, Extension lam, const Extension* weights_high,
                const Extension* weights_low, u64 low_count, Extension* out, unsigned threads) {
    const FractionTable& passes = fastest_fractions();
    const u64 lam7 = times_seven(lam.c1);
    const unsigned bound = static_cast<unsigned>(stage.bound.size());
    // The lowest level divides by lambda. Tiles begin at a multiple of the lanes; the weights' blocks must do so as well.
    const bool is_fast = stage.depth() < kLeafDepth && (lam.c0 | lam.c1) != 0 && low_count % passes.lanes == 0;
    std::optional<UnitLeaves> unit_leaves;
    if (is_fast) unit_leaves.emplace(program, stage, lam);
    const auto partial = [&](u64 begin, u64 end) {
        StageSums sums;
        const auto unit = [&](u64 first, u64 here, const LinearForm& form) {
            for_weights(first / 4, (first + here) / 4, weights_high, weights_low, low_count,
                        [&](u64 from, u64 to, const Extension* low, Extension high) {
                            LinearForm part = form;
                            for (u64 c = 0; c < part.field_count; ++c) part.field[c] += (4 * from - first) << stage.depth();
                            Extension found[2];
                            if (stage.level == 0)
                                passes.unit_round(part, bound, to - from, low, found);
                            else
                                passes.leaf_round(part, stage.level, stage.bound.data(), bound, to - from, lam, low, found);
                            (stage.level == 0 ? sums.scaled : sums.plain).add_scaled(high, found[0], found[1]);
                        });
        };
        const auto mixed = [&](u64 first, u64 here, const Tile& tile) {
            for_weights(first / 4, (first + here) / 4, weights_high, weights_low, low_count,
                        [&](u64 from, u64 to, const Extension* low, Extension high) {
                            FractionRound round;
                            for (u64 i = from; i < to; ++i)
                                add_round_at(round, tile.p, tile.q, lam, lam7, low[i - from], i - first / 4);
                            sums.plain.add_scaled(high, round.at_zero.value(), round.leading.value());
                        });
        };
        for_tiles(program, stage, unit_leaves ? &*unit_leaves : nullptr, 4 * count, begin, end, unit, mixed);
        return sums;
    };
    const auto combine = [](StageSums& all, const StageSums& part) {
        all.plain.add_sums(part.plain);
        all.scaled.add_sums(part.scaled);
    };
    StageSums sums =
        parallel_reduce(tile_count(stage, 4 * count), kTilesPerTask, threads, StageSums{}, partial, combine);
    if (is_fast) sums.plain.add_scaled(inverse(lam), sums.scaled.at_zero, sums.scaled.leading);
    out[0] = sums.plain.at_zero;
    out[1] = sums.plain.leading;
}

void leaf_bind(const LeafProgram& program, const LeafStage& stage, u64 count, Extension* p, Extension* q,
               unsigned threads) {
    const FractionTable& passes = fastest_fractions();
    const unsigned bound = static_cast<unsigned>(stage.bound.size());
    std::optional<UnitLeaves> unit_leaves;
    if (stage.depth() >= 1 && stage.depth() <= kLeafDepth) unit_leaves.emplace(program, stage, std::nullopt);
    parallel_for(tile_count(stage, count), kTilesPerTask, threads, [&](u64 begin, u64 end) {
        const auto unit = [&](u64 first, u64 here, const LinearForm& form) {
            if (bound == 0) {
                passes.leaf_table(form, stage.level, here, p + first, q + first);
            } else if (stage.level == 0) {
                // Numerators of one stay one under every bind.
                std::fill_n(p + first, here, Extension{1, 0});
                passes.unit_bind(form, bound, here / 2, q + first);
            } else {
                passes.leaf_bind(form, stage.level, stage.bound.data(), bound, here / 2, p + first, q + first);
            }
        };
        const auto mixed = [&](u64 first, u64 here, const Tile& tile) {
            std::copy_n(tile.p, here, p + first);
            std::copy_n(tile.q, here, q + first);
        };
        for_tiles(program, stage, unit_leaves ? &*unit_leaves : nullptr, count, begin, end, unit, mixed);
    });
}

void leaf_table(const LeafProgram& program, unsigned level, u64 count, Extension* p, Extension* q, unsigned threads) {
    leaf_bind(program, {level, {}}, count, p, q, threads);
}

}  // namespace zkdl
