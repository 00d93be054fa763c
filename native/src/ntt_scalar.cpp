#include "ntt_passes.h"

namespace zkdl {

namespace {

struct Single {
    static constexpr u64 count = 1;
    u64 value;

    static ZK_FN Single load(const u64* from) { return {*from}; }
    ZK_FN void store(u64* to) const { *to = value; }
};

ZK_FN Single add(Single a, Single b) { return {zkdl::add(a.value, b.value)}; }
ZK_FN Single subtract(Single a, Single b) { return {zkdl::subtract(a.value, b.value)}; }
ZK_FN Single multiply(Single a, Single b) { return {zkdl::multiply(a.value, b.value)}; }
ZK_FN Single by_fourth_root(Single a) { return {zkdl::by_fourth_root(a.value)}; }
// One lane: a tile of 1 x 4 is its own order.
ZK_FN void transpose(Single&, Single&, Single&, Single&) {}

}  // namespace

const PassTable kScalarPasses{1, Passes<Single>::transform<false>, Passes<Single>::transform<true>,
                              Passes<Single>::multiply_arrays};

}  // namespace zkdl
