// Leaves and nodes of a Merkle tree on the CPU.
#pragma once

#include <vector>

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

// The leaves of a matrix that arrives a few rows at a time: the columns' hash states and what is left of a block.
class ColumnHashes {
   public:
    ColumnHashes(const u8* salts, u64 rows, u64 columns);
    // The next `height` rows, (height, columns).
    void absorb(const u64* code, u64 height, unsigned threads, CompressPair compress);
    // out (columns, 32), after all rows
    void finish(u8* out, CompressPair compress);

   private:
    struct Column {
        ShaState state;
        u8 tail[64];
    };
    u64 rows_, used_;
    std::vector<Column> columns_;
};

// See base.Backend.merkle_parents; nodes (2 * count, 32), out (count, 32).
void merkle_parents(const u8* nodes, u8 level, u64 count, u8* out, unsigned threads, CompressPair compress);

}  // namespace zkdl
