// F = GF(p), p = 2^64 - 2^32 + 1. Elements are u64; "canonical" means < p, "loose" any u64 of the right residue.
#pragma once

#include "portability.h"

namespace zkdl {

constexpr u64 kModulus = 0xFFFFFFFF00000001ULL;
constexpr u64 kGenerator = 7;

// loose -> canonical
ZK_FN u64 canonical(u64 a) {
    const u64 shifted = a + kEpsilon;
    return shifted < a ? shifted : a;
}

// canonical, canonical -> canonical
ZK_FN u64 add(u64 a, u64 b) { return subtract_folding(a, kModulus - b); }

// canonical (a may be loose), canonical -> canonical (loose)
ZK_FN u64 subtract(u64 a, u64 b) { return subtract_folding(a, b); }

// low + high * 2^64 -> loose: 2^64 = 2^32 - 1 and 2^96 = -1 mod p
ZK_FN u64 reduce_loose(Wide x) {
    return add_folding(subtract_folding(x.low, x.high >> 32), (x.high & kEpsilon) * kEpsilon);
}

ZK_FN u64 reduce(Wide x) { return canonical(reduce_loose(x)); }

// loose, loose -> canonical
ZK_FN u64 multiply(u64 a, u64 b) { return reduce(multiply_wide(a, b)); }

// loose -> loose, 7 * a
ZK_FN u64 times_seven(u64 a) {
    const Wide product = multiply_wide(a, 7);
    return add_folding(product.low, product.high * kEpsilon);
}

ZK_FN u64 from_int(i32 x) { return x < 0 ? kModulus + static_cast<u64>(static_cast<i64>(x)) : static_cast<u64>(x); }
ZK_FN u64 from_int(i64 x) { return x < 0 ? kModulus + static_cast<u64>(x) : static_cast<u64>(x); }
ZK_FN u64 from_int(u64 x) { return x; }

// A sum of products of loose elements, reduced once at the end. Element is u64 or a vector of them.
template <class Element>
struct AccumulatorOf;

// Up to 2^31 products.
template <>
struct AccumulatorOf<u64> {
    u64 low = 0, high = 0, top = 0;

    ZK_FN void add_product(u64 a, u64 b) { add_carry(low, high, top, multiply_wide(a, b)); }
    ZK_FN void add_element(u64 a) { add_carry(low, high, top, Wide{a, 0}); }

    // As in reduce_loose, with the 64 bits from 2^96 = -1 on; they are below 2^63, so the borrow is corrected once.
    ZK_FN u64 value_loose() const {
        const u64 upper = (top << 32) | (high >> 32);
        return add_folding(subtract_folding(low, upper), (high & kEpsilon) * kEpsilon);
    }
    ZK_FN u64 value() const { return canonical(value_loose()); }
};

using Accumulator = AccumulatorOf<u64>;

ZK_FN u64 power(u64 base, u64 exponent) {
    u64 out = 1;
    for (; exponent != 0; exponent >>= 1) {
        if (exponent & 1) out = multiply(out, base);
        base = multiply(base, base);
    }
    return out;
}

ZK_FN u64 inverse(u64 a) { return power(a, kModulus - 2); }

// g_n = 7^((p-1)/n) for a power of two n
ZK_FN u64 root_of_unity(u64 n) { return power(kGenerator, (kModulus - 1) / n); }

}  // namespace zkdl
