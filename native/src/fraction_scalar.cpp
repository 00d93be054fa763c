#include "fraction_passes.h"
#include "lanes_single.h"
#include "processor.h"

namespace zkdl {

const FractionTable kScalarFractions = FractionPasses<Single>::table();

const FractionTable& fastest_fractions() {
#ifdef ZK_AVX512
    if (has_avx512()) return kAvx512Fractions;
#endif
    return kScalarFractions;
}

}  // namespace zkdl
