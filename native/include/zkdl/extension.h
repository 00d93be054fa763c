// K = F[X]/(X^2 - 7). Elements are pairs of canonical u64, laid out like the last axis of a numpy array; factors of a
// product may be loose.
#pragma once

#include "goldilocks.h"

namespace zkdl {

struct Extension {
    u64 c0, c1;
};

ZK_FN Extension add(Extension a, Extension b) { return {add(a.c0, b.c0), add(a.c1, b.c1)}; }
ZK_FN Extension subtract(Extension a, Extension b) { return {subtract(a.c0, b.c0), subtract(a.c1, b.c1)}; }
ZK_FN Extension scale(Extension a, u64 b) { return {multiply(a.c0, b), multiply(a.c1, b)}; }

// Sum of up to 2^29 products in K; `low` holds the constant part already multiplied out.
struct ExtensionAccumulator {
    Accumulator constant, linear;

    ZK_FN void add_product(Extension a, Extension b) { add_product(a, times_seven(a.c1), b); }

    // a7 = 7 * a.c1 when the caller has it already
    ZK_FN void add_product(Extension a, u64 a7, Extension b) {
        constant.add_product(a.c0, b.c0);
        constant.add_product(a7, b.c1);
        linear.add_product(a.c0, b.c1);
        linear.add_product(a.c1, b.c0);
    }
    ZK_FN void add_element(Extension a) {
        constant.add_element(a.c0);
        linear.add_element(a.c1);
    }
    ZK_FN Extension value() const { return {constant.value(), linear.value()}; }
    // For a factor of another product, which need not be canonical.
    ZK_FN Extension value_loose() const { return {constant.value_loose(), linear.value_loose()}; }
};

ZK_FN Extension multiply(Extension a, Extension b) {
    ExtensionAccumulator sum;
    sum.add_product(a, b);
    return sum.value();
}

// For a factor of another product.
ZK_FN Extension multiply_loose(Extension a, Extension b) {
    ExtensionAccumulator sum;
    sum.add_product(a, b);
    return sum.value_loose();
}

// a + b*c
ZK_FN Extension multiply_add(Extension a, Extension b, Extension c) {
    ExtensionAccumulator sum;
    sum.add_product(b, c);
    sum.add_element(a);
    return sum.value();
}

// A long sum of products: the factor 7 is taken out of the loop.
struct ProductSum {
    Accumulator first, second, cross;

    ZK_FN void add_product(Extension a, Extension b) {
        first.add_product(a.c0, b.c0);
        second.add_product(a.c1, b.c1);
        cross.add_product(a.c0, b.c1);
        cross.add_product(a.c1, b.c0);
    }
    ZK_FN Extension value() const { return {add(first.value(), multiply(second.value(), 7)), cross.value()}; }
};

}  // namespace zkdl
