#include "lanes_single.h"
#include "ntt_passes.h"

namespace zkdl {

namespace {

ZK_FN Single by_fourth_root(Single a) { return {zkdl::by_fourth_root(a.value)}; }
// One lane: a tile of 1 x 4 is its own order.
ZK_FN void transpose(Single&, Single&, Single&, Single&) {}

}  // namespace

const PassTable kScalarPasses{1, Passes<Single>::transform<false>, Passes<Single>::transform<true>,
                              Passes<Single>::multiply_arrays};

}  // namespace zkdl
