// What launchers need beyond the bodies of their kernels. They are compiled for GPUs, and for processors by a test that
// emulates grids and blocks (ZK_LAUNCHERS, with the names of CUDA defined before).
//
// Every parameter of a launcher has eight bytes: a pointer or a u64. Blocks have a power of two of threads, at most
// kMaxBlock.
#pragma once

#include "extension.h"

#ifdef ZK_LAUNCHERS
namespace zkdl {

constexpr unsigned kMaxBlock = 256;

ZK_FN u64 thread_index() { return static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x; }
ZK_FN u64 thread_count() { return static_cast<u64>(gridDim.x) * blockDim.x; }

// The sum over the block, for all its threads, all of which must call. `shared` has kMaxBlock entries.
ZK_FN Extension block_sum(Extension value, Extension* shared) {
    shared[threadIdx.x] = value;
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) shared[threadIdx.x] = add(shared[threadIdx.x], shared[threadIdx.x + half]);
        __syncthreads();
    }
    const Extension sum = shared[0];
    // The next sum writes to the same places.
    __syncthreads();
    return sum;
}

// The block's two sums.
template <class Round>
ZK_FN void write_round(const Round& round, Extension* shared, Extension* partial) {
    const Extension at_zero = block_sum(round.at_zero.value(), shared);
    const Extension leading = block_sum(round.leading.value(), shared);
    if (threadIdx.x != 0) return;
    partial[2 * static_cast<u64>(blockIdx.x)] = at_zero;
    partial[2 * static_cast<u64>(blockIdx.x) + 1] = leading;
}

}  // namespace zkdl
#endif
