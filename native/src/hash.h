// Leaves and nodes of a Merkle tree on the CPU.
#pragma once

#include "zkdl/sha256.kernel.h"

namespace zkdl {

// Two independent messages of `count` blocks each: the SHA instructions have a latency worth two of them.
using CompressPair = void (*)(ShaState& first, const u8* first_blocks, ShaState& second, const u8* second_blocks,
                              u64 count);

void compress_pair_portable(ShaState& first, const u8* first_blocks, ShaState& second, const u8* second_blocks,
                            u64 count);

// The fastest one that this processor can run.
CompressPair compress_pair();

// See base.Backend.hash_columns; code (rows, columns), salts and out (columns, 32).
void hash_columns(const u64* code, const u8* salts, u64 first_index, u64 rows, u64 columns, u8* out, unsigned threads,
                  CompressPair compress);

// See base.Backend.merkle_parents; nodes (2 * count, 32), out (count, 32).
void merkle_parents(const u8* nodes, u8 level, u64 count, u8* out, unsigned threads, CompressPair compress);

}  // namespace zkdl
