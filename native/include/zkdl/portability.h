// What differs between g++, nvcc and NVRTC, and nothing else. Every other header is plain C++17.
#pragma once

// ZK_FN hangs on __CUDACC__, the integer types on __CUDACC_RTC__: nvcc defines only the first and has <cstdint>.
#ifdef __CUDACC__
#define ZK_FN __host__ __device__ __forceinline__
#define ZK_LAUNCHERS
#else
#define ZK_FN inline __attribute__((always_inline))
#endif

// ZK_PORTABLE takes the code path of the other processors, so that a test can run it here.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__CUDACC__) && !defined(ZK_PORTABLE)
#define ZK_X86_64
#endif

#ifdef __CUDACC_RTC__
namespace zkdl {
using u8 = unsigned char;
using u32 = unsigned int;
using u64 = unsigned long long;
using i32 = int;
using i64 = long long;
}  // namespace zkdl
#else
#include <cstddef>
#include <cstdint>
namespace zkdl {
using u8 = std::uint8_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
}  // namespace zkdl
#endif

namespace zkdl {

struct Wide {
    u64 low, high;
};

// 64 x 64 -> 128 bits. NVRTC has no 128-bit integer without a flag, the intrinsic needs none.
ZK_FN Wide multiply_wide(u64 a, u64 b) {
#ifdef __CUDA_ARCH__
    return {a * b, __umul64hi(a, b)};
#else
    const auto product = static_cast<unsigned __int128>(a) * b;
    return {static_cast<u64>(product), static_cast<u64>(product >> 64)};
#endif
}

// (low, high, top) += product, the carry chain that compilers do not find by themselves.
ZK_FN void add_carry(u64& low, u64& high, u64& top, Wide product) {
#ifdef ZK_X86_64
    // The first product of a sum: the compiler cannot see through the assembler that there is nothing to add to.
    if (__builtin_constant_p(low | high | top) && (low | high | top) == 0) {
        low = product.low;
        high = product.high;
        return;
    }
    __asm__("addq %3, %0\n\tadcq %4, %1\n\tadcq $0, %2"
            : "+r"(low), "+r"(high), "+r"(top)
            : "rme"(product.low), "rme"(product.high)
            : "cc");
#else
    low += product.low;
    const u64 carry = low < product.low;
    const u64 sum = high + product.high;
    const u64 first = sum < product.high;
    high = sum + carry;
    top += first + (high < sum);
#endif
}

// 2^64 mod p, p = 2^64 - 2^32 + 1: what a carry out of 64 bits is worth, and a borrow costs.
constexpr u64 kEpsilon = 0xFFFFFFFFULL;

// a + b, plus kEpsilon if that carries; a - b, minus kEpsilon if that borrows. Carries of random elements are
// coin tosses, so a branch would cost more than the arithmetic: a 32-bit sbb makes kEpsilon out of the carry flag.
ZK_FN u64 add_folding(u64 a, u64 b) {
#ifdef ZK_X86_64
    u64 carry;
    __asm__("addq %2, %0\n\tsbbl %k1, %k1" : "+r"(a), "=r"(carry) : "rm"(b) : "cc");
    return a + carry;
#else
    const u64 sum = a + b;
    return sum + (sum < b ? kEpsilon : 0);
#endif
}

ZK_FN u64 subtract_folding(u64 a, u64 b) {
#ifdef ZK_X86_64
    u64 borrow;
    __asm__("subq %2, %0\n\tsbbl %k1, %k1" : "+r"(a), "=r"(borrow) : "rm"(b) : "cc");
    return a - borrow;
#else
    return a - b - (a < b ? kEpsilon : 0);
#endif
}

}  // namespace zkdl
