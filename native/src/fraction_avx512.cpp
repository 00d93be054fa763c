// Passes over fractions with eight lanes, for processors with AVX-512 and its 52-bit multiplication; chosen at run time.
#include "processor.h"

#ifdef ZK_AVX512
#include "begin_avx512.h"
// Templates take the instruction set that holds where they are defined.
#include "fraction_passes.h"
#include "lanes_avx512.h"

namespace zkdl {

const FractionTable kAvx512Fractions = FractionPasses<Lanes8>::table();

}  // namespace zkdl
#endif
