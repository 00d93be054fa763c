// What this build and this processor can do.
#pragma once

// Units for newer processors are compiled by g++ on x86-64; what is in them runs only if the processor says that it can.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define ZK_AVX512
#endif

namespace zkdl {

// AVX-512 F, DQ, VL and its 52-bit multiplication.
inline bool has_avx512() {
#ifdef ZK_AVX512
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512ifma");
#else
    return false;
#endif
}

// AVX-512 with sums of 16-bit products (VNNI).
inline bool has_vnni() {
#ifdef ZK_AVX512
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
#else
    return false;
#endif
}

}  // namespace zkdl
