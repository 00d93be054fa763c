// Leaves of LogUp-GKR from the integers that are looked up: they are computed where they are needed and never stored.
#pragma once

#include "extension.h"
#include "fraction.kernel.h"

namespace zkdl {

constexpr int kLeafFields = 3;

// Leaves [start, stop): denominator constant + sum_c beta[c] * field[c], numerator 1 before active_stop and 0 behind it,
// or minus a count. `constant` is already lowered by 2^31 * sum_c beta[c], see leaf_at.
struct LeafSpan {
    u64 start, stop, active_stop;
    Extension constant;
    u64 field_count;
    Extension beta[kLeafFields];
    const i32* field[kLeafFields];
    const i32* counts;
};

ZK_FN void leaf_at(const LeafSpan& span, u64 i, Extension* p, Extension* q) {
    const u64 at = i - span.start;
    Accumulator c0, c1;
    c0.add_element(span.constant.c0);
    c1.add_element(span.constant.c1);
    for (u64 c = 0; c < span.field_count; ++c) {
        // Shifted by 2^31 a signed field is a small unsigned factor, which needs no reduction of its own.
        const u64 shifted = static_cast<u32>(span.field[c][at]) ^ 0x80000000U;
        c0.add_product(span.beta[c].c0, shifted);
        c1.add_product(span.beta[c].c1, shifted);
    }
    *q = {c0.value(), c1.value()};
    if (span.counts != nullptr)
        *p = {from_int(-static_cast<i64>(span.counts[at])), 0};
    else
        *p = {static_cast<u64>(i < span.active_stop), 0};
}

}  // namespace zkdl

#ifdef __CUDACC__
// Thread (leaf): spans ascend and do not overlap; leaves in no span are (0, 1).
extern "C" __global__ void zkdl_leaves(const zkdl::LeafSpan* spans, zkdl::u64 span_count, zkdl::u64 begin,
                                       zkdl::u64 count, zkdl::Extension* p, zkdl::Extension* q) {
    const zkdl::u64 thread = static_cast<zkdl::u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread >= count) return;
    const zkdl::u64 i = begin + thread;
    zkdl::u64 low = 0, high = span_count;
    while (low < high) {
        const zkdl::u64 middle = (low + high) / 2;
        if (spans[middle].stop > i)
            high = middle;
        else
            low = middle + 1;
    }
    if (low < span_count && spans[low].start <= i) {
        zkdl::leaf_at(spans[low], i, p + thread, q + thread);
    } else {
        p[thread] = {0, 0};
        q[thread] = {1, 0};
    }
}
#endif
