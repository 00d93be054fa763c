// The passes with eight lanes, for processors with AVX-512 and its 52-bit multiplication; chosen at run time.
#include "processor.h"

#ifdef ZK_AVX512
#include "begin_avx512.h"
// Templates take the instruction set that holds where they are defined.
#include "lanes_avx512.h"
#include "ntt_passes.h"

namespace zkdl {

const PassTable kAvx512Passes{64, Passes<Lanes8>::transform<false>, Passes<Lanes8>::transform<true>,
                              Passes<Lanes8>::multiply_arrays};

}  // namespace zkdl
#endif
