// K = F[X]/(X^2 - 7). Elements are pairs of canonical u64, laid out like the last axis of a numpy array; factors of a
// product may be loose.
#pragma once

#include "goldilocks.h"

namespace zkdl {

// Element is u64 or a vector of them, one element of K in every lane.
template <class Element>
struct ExtensionOf {
    Element c0, c1;
};

using Extension = ExtensionOf<u64>;

template <class Element>
ZK_FN ExtensionOf<Element> add(ExtensionOf<Element> a, ExtensionOf<Element> b) {
    return {add(a.c0, b.c0), add(a.c1, b.c1)};
}
template <class Element>
ZK_FN ExtensionOf<Element> subtract(ExtensionOf<Element> a, ExtensionOf<Element> b) {
    return {subtract(a.c0, b.c0), subtract(a.c1, b.c1)};
}
ZK_FN Extension scale(Extension a, u64 b) { return {multiply(a.c0, b), multiply(a.c1, b)}; }

// Sum of products in K, half as many as an accumulator can hold; `constant` holds the constant part multiplied out.
template <class Element>
struct ExtensionAccumulatorOf {
    AccumulatorOf<Element> constant, linear;

    ZK_FN void add_product(ExtensionOf<Element> a, ExtensionOf<Element> b) { add_product(a, times_seven(a.c1), b); }

    // a7 = 7 * a.c1 when the caller has it already
    ZK_FN void add_product(ExtensionOf<Element> a, Element a7, ExtensionOf<Element> b) {
        constant.add_product(a.c0, b.c0);
        constant.add_product(a7, b.c1);
        linear.add_product(a.c0, b.c1);
        linear.add_product(a.c1, b.c0);
    }
    ZK_FN void add_element(ExtensionOf<Element> a) {
        constant.add_element(a.c0);
        linear.add_element(a.c1);
    }
    ZK_FN ExtensionOf<Element> value() const { return {constant.value(), linear.value()}; }
    // For a factor of another product, which need not be canonical.
    ZK_FN ExtensionOf<Element> value_loose() const { return {constant.value_loose(), linear.value_loose()}; }
};

using ExtensionAccumulator = ExtensionAccumulatorOf<u64>;

template <class Element>
ZK_FN ExtensionOf<Element> multiply(ExtensionOf<Element> a, ExtensionOf<Element> b) {
    ExtensionAccumulatorOf<Element> sum;
    sum.add_product(a, b);
    return sum.value();
}

// For a factor of another product.
template <class Element>
ZK_FN ExtensionOf<Element> multiply_loose(ExtensionOf<Element> a, ExtensionOf<Element> b) {
    ExtensionAccumulatorOf<Element> sum;
    sum.add_product(a, b);
    return sum.value_loose();
}

// a + b*c
template <class Element>
ZK_FN ExtensionOf<Element> multiply_add(ExtensionOf<Element> a, ExtensionOf<Element> b, ExtensionOf<Element> c) {
    ExtensionAccumulatorOf<Element> sum;
    sum.add_product(b, c);
    sum.add_element(a);
    return sum.value();
}

// A long sum of products: the factor 7 is taken out of the loop.
template <class Element>
struct ProductSumOf {
    AccumulatorOf<Element> first, second, cross;

    ZK_FN void add_product(ExtensionOf<Element> a, ExtensionOf<Element> b) {
        first.add_product(a.c0, b.c0);
        second.add_product(a.c1, b.c1);
        cross.add_product(a.c0, b.c1);
        cross.add_product(a.c1, b.c0);
    }
    ZK_FN ExtensionOf<Element> value() const {
        return {add(first.value(), canonical(times_seven(second.value_loose()))), cross.value()};
    }
};

using ProductSum = ProductSumOf<u64>;

// 1/(a + b*X) = (a - b*X) / (a^2 - 7*b^2)
ZK_FN Extension inverse(Extension a) {
    const u64 norm = subtract(multiply(a.c0, a.c0), multiply(7, multiply(a.c1, a.c1)));
    return scale({a.c0, subtract(0, a.c1)}, inverse(norm));
}

}  // namespace zkdl
