// The passes with four lanes, for processors with AVX2; chosen at run time.
#include "ntt_plan.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>

// From here on, and in the headers below, functions may use AVX2. All of them are inlined into this unit's own.
#pragma GCC push_options
#pragma GCC target("avx2")

#include "lanes_avx2.h"
#include "ntt_passes.h"

namespace zkdl {

namespace {

constexpr PassTable kTable{16, Passes<Lanes4>::transform<false>, Passes<Lanes4>::transform<true>,
                           Passes<Lanes4>::multiply_arrays};

}  // namespace

#pragma GCC pop_options

const PassTable* avx2_passes() { return __builtin_cpu_supports("avx2") ? &kTable : nullptr; }

}  // namespace zkdl

#else

namespace zkdl {

const PassTable* avx2_passes() { return nullptr; }

}  // namespace zkdl

#endif
