// Runs the launchers of the kernels on a processor, with the grids, blocks and barriers of a GPU: threads of a block are
// fibers that change at __syncthreads(). For tests: it shows wrong indices, boundaries, races and missing barriers.
//
// One launch at a time; `order` 1 runs blocks and threads from the last to the first, which must not change a result.
#include <ucontext.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

struct Coordinates {
    unsigned x, y, z;
};
static Coordinates blockIdx, blockDim, gridDim, threadIdx;

#define __global__
#define __shared__ static
#define ZK_LAUNCHERS
static void __syncthreads();

#include "zkdl/elementwise.kernel.h"
#include "zkdl/fraction.kernel.h"
#include "zkdl/leaves.kernel.h"
#include "zkdl/matrix.kernel.h"
#include "zkdl/ntt.kernel.h"
#include "zkdl/sha256.kernel.h"
#include "zkdl/sumcheck.kernel.h"

namespace {

using Words = const std::uint64_t*;
using Launcher = void (*)(Words);

template <class Parameter>
Parameter parameter(std::uint64_t word) {
    static_assert(sizeof(Parameter) == 8, "every parameter has eight bytes");
    Parameter out;
    std::memcpy(&out, &word, 8);
    return out;
}

template <class... Parameters, std::size_t... I>
void call(void (*kernel)(Parameters...), Words words, std::index_sequence<I...>) {
    kernel(parameter<Parameters>(words[I])...);
}

template <class... Parameters>
constexpr std::size_t parameter_count(void (*)(Parameters...)) {
    return sizeof...(Parameters);
}

template <auto kernel>
void unpack(Words words) {
    call(kernel, words, std::make_index_sequence<parameter_count(kernel)>());
}

struct Entry {
    Launcher launcher;
    std::size_t parameters;
};

#define ENTRY(kernel) \
    { #kernel, { unpack<&kernel>, parameter_count(&kernel) } }
const std::map<std::string, Entry> kKernels = {
    ENTRY(zkdl_f_add), ENTRY(zkdl_f_sub), ENTRY(zkdl_f_mul), ENTRY(zkdl_k_add), ENTRY(zkdl_k_sub), ENTRY(zkdl_k_mul),
    ENTRY(zkdl_f_from_int_i32), ENTRY(zkdl_f_from_int_i64), ENTRY(zkdl_f_from_int_u64), ENTRY(zkdl_axpy_i32),
    ENTRY(zkdl_axpy_i64), ENTRY(zkdl_axpy_u64), ENTRY(zkdl_bind), ENTRY(zkdl_eq_step), ENTRY(zkdl_outer),
    ENTRY(zkdl_k_sums), ENTRY(zkdl_running_difference), ENTRY(zkdl_gather_columns), ENTRY(zkdl_gather_rows),
    ENTRY(zkdl_fraction_layer), ENTRY(zkdl_fraction_round), ENTRY(zkdl_fraction_bind), ENTRY(zkdl_product_round),
    ENTRY(zkdl_product3_round), ENTRY(zkdl_leaf_table), ENTRY(zkdl_leaf_round), ENTRY(zkdl_matvec_i32),
    ENTRY(zkdl_matvec_i64), ENTRY(zkdl_matvec_u64), ENTRY(zkdl_vecmat_i32), ENTRY(zkdl_vecmat_i64),
    ENTRY(zkdl_vecmat_u64), ENTRY(zkdl_row_sums), ENTRY(zkdl_column_sums), ENTRY(zkdl_hash_columns),
    ENTRY(zkdl_merkle_parents), ENTRY(zkdl_ntt_frequency_step), ENTRY(zkdl_ntt_time_step),
    ENTRY(zkdl_ntt_frequency_four), ENTRY(zkdl_ntt_time_four), ENTRY(zkdl_ntt_frequency_tile),
    ENTRY(zkdl_ntt_time_tile), ENTRY(zkdl_natural_order), ENTRY(zkdl_coset_coefficients),
    ENTRY(zkdl_masked_coefficients)};

constexpr std::size_t kStackBytes = 128 << 10;

struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[kStackBytes]};
    unsigned thread = 0;
    bool is_waiting = false;
};

// A fiber runs threads of the block one after the other; a thread that waits at a barrier keeps its fiber.
struct Block {
    Launcher launcher;
    Words words;
    bool is_reversed;
    unsigned next = 0, finished = 0;
    Fiber* current = nullptr;
    ucontext_t scheduler;

    unsigned numbered(unsigned k) const { return is_reversed ? blockDim.x - 1 - k : k; }
};

Block state;
Block* const block = &state;
std::vector<std::unique_ptr<Fiber>> fibers;

void run_threads() {
    while (block->next < blockDim.x) {
        block->current->thread = block->numbered(block->next++);
        threadIdx.x = block->current->thread;
        block->launcher(block->words);
        ++block->finished;
    }
}

void resume(Fiber& fiber) {
    block->current = &fiber;
    threadIdx.x = fiber.thread;
    fiber.is_waiting = false;
    swapcontext(&block->scheduler, &fiber.context);
}

// False when some threads ended while others wait.
bool run_block(Launcher launcher, Words words, bool is_reversed) {
    Block& here = state;
    here = {launcher, words, is_reversed, 0, 0, nullptr, {}};
    std::size_t used = 0;
    for (; here.next < blockDim.x; ++used) {
        if (used == fibers.size()) fibers.push_back(std::make_unique<Fiber>());
        Fiber& fiber = *fibers[used];
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.get();
        fiber.context.uc_stack.ss_size = kStackBytes;
        fiber.context.uc_link = &here.scheduler;
        makecontext(&fiber.context, run_threads, 0);
        resume(fiber);
    }
    while (here.finished < blockDim.x) {
        if (here.finished != 0) return false;
        for (std::size_t k = 0; k < used; ++k)
            if (fibers[k]->is_waiting) resume(*fibers[k]);
    }
    return true;
}

}  // namespace

static void __syncthreads() {
    Fiber& fiber = *block->current;
    fiber.is_waiting = true;
    swapcontext(&fiber.context, &block->scheduler);
}

// 0, or 1 for an unknown kernel, 2 for a wrong number of parameters, 3 for a block whose threads part at a barrier.
extern "C" int zkdl_emulate(const char* name, const unsigned* grid, unsigned threads, const std::uint64_t* words,
                            std::uint64_t count, int order) {
    const auto found = kKernels.find(name);
    if (found == kKernels.end()) return 1;
    if (found->second.parameters != count) return 2;
    blockDim = {threads, 1, 1};
    gridDim = {grid[0], grid[1], 1};
    const std::uint64_t blocks = static_cast<std::uint64_t>(grid[0]) * grid[1];
    for (std::uint64_t k = 0; k < blocks; ++k) {
        const std::uint64_t b = order ? blocks - 1 - k : k;
        blockIdx = {static_cast<unsigned>(b % grid[0]), static_cast<unsigned>(b / grid[0]), 0};
        if (!run_block(found->second.launcher, words, order != 0)) return 3;
    }
    return 0;
}
