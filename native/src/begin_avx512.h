// From here to the end of the unit, functions may use AVX-512; to be included before all other headers of this project. All
// functions of the unit are inlined into its own, and nothing in it runs before a table of its passes has been chosen.
#include <cstddef>
#include <cstdint>
#include <immintrin.h>

// The compiler's header starts from undefined registers on purpose and warns about them where it is inlined.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512ifma")
