// Reads pairs of elements of K from standard input, four decimal numbers each, and prints what the headers make of
// them: sum, difference, product, two sums of 1000 products, a nested product. See tests/kernels/test_portability.py.
#include <cstdio>

#include "zkdl/extension.h"

namespace {

void print(zkdl::Extension value) {
    std::printf("%llu %llu ", static_cast<unsigned long long>(value.c0), static_cast<unsigned long long>(value.c1));
}

}  // namespace

int main() {
    unsigned long long x[4];
    while (std::scanf("%llu %llu %llu %llu", x, x + 1, x + 2, x + 3) == 4) {
        const zkdl::Extension a{x[0], x[1]}, b{x[2], x[3]};
        print(zkdl::add(a, b));
        print(zkdl::subtract(a, b));
        print(zkdl::multiply(a, b));
        zkdl::ExtensionAccumulator sum;
        zkdl::ProductSum long_sum;
        for (int i = 0; i < 1000; ++i) {
            sum.add_product(a, b);
            long_sum.add_product(a, b);
        }
        print(sum.value());
        print(long_sum.value());
        print(zkdl::multiply_add(a, zkdl::multiply_loose(a, b), b));
        std::printf("\n");
    }
    return 0;
}
