#include "hash.h"

#include <algorithm>
#include <cstring>

#include "parallel.h"

namespace zkdl {

namespace {

// A tile is whole cache lines wide and whole SHA blocks high, and its transpose fits into the first-level cache.
constexpr u64 kTileColumns = 32;
constexpr u64 kTileRows = 64;
constexpr u64 kMessageBytes = 64 + 8 * kTileRows + 64;

struct Column {
    ShaState state;
    u64 used;
    alignas(16) u8 message[kMessageBytes];
};

void compress_columns(Column* columns, u64 count, u64 blocks, CompressPair compress) {
    Column spare;
    for (u64 c = 0; c < count; c += 2) {
        Column& second = c + 1 < count ? columns[c + 1] : spare;
        if (&second == &spare) spare = columns[c];
        compress(columns[c].state, columns[c].message, second.state, second.message, blocks);
    }
}

// Append rows [row, row + height) of the columns at `code` and hash all full blocks.
void absorb_tile(const u64* code, u64 row, u64 height, u64 columns, Column* tile, u64 width, CompressPair compress) {
    for (u64 r = 0; r < height; ++r) {
        const u64* from = code + (row + r) * columns;
        for (u64 c = 0; c < width; ++c) std::memcpy(tile[c].message + tile[c].used + 8 * r, from + c, 8);
    }
    // All columns of a tile have absorbed the same number of bytes.
    const u64 filled = tile[0].used + 8 * height, blocks = filled / 64;
    compress_columns(tile, width, blocks, compress);
    for (u64 c = 0; c < width; ++c) {
        std::memmove(tile[c].message, tile[c].message + 64 * blocks, filled - 64 * blocks);
        tile[c].used = filled - 64 * blocks;
    }
}

void hash_tile(const u64* code, const u8* salts, u64 first_index, u64 rows, u64 columns, u64 width, u8* out,
               CompressPair compress) {
    Column tile[kTileColumns];
    for (u64 c = 0; c < width; ++c) {
        tile[c].state = sha_start();
        tile[c].used = kLeafPrefixBytes;
        leaf_prefix(tile[c].message, first_index + c, salts + 32 * c, static_cast<u32>(rows));
    }
    for (u64 row = 0; row < rows; row += kTileRows)
        absorb_tile(code, row, std::min(kTileRows, rows - row), columns, tile, width, compress);
    u64 blocks = 0;
    for (u64 c = 0; c < width; ++c)
        blocks = static_cast<u64>(
            sha_pad(tile[c].message, static_cast<int>(tile[c].used), kLeafPrefixBytes + 8 * rows));
    compress_columns(tile, width, blocks, compress);
    for (u64 c = 0; c < width; ++c) sha_digest(tile[c].state, out + 32 * c);
}

}  // namespace

void compress_pair_portable(ShaState& first, const u8* first_blocks, ShaState& second, const u8* second_blocks,
                            u64 count) {
    for (u64 i = 0; i < count; ++i) {
        sha_block(first, first_blocks + 64 * i);
        sha_block(second, second_blocks + 64 * i);
    }
}

void hash_columns(const u64* code, const u8* salts, u64 first_index, u64 rows, u64 columns, u8* out, unsigned threads,
                  CompressPair compress) {
    const u64 tiles = (columns + kTileColumns - 1) / kTileColumns;
    const u64 grain = std::max<u64>(1, 512 / (rows + 8));
    parallel_for(tiles, grain, threads, [&](u64 begin, u64 end) {
        for (u64 tile = begin; tile < end; ++tile) {
            const u64 first = tile * kTileColumns;
            hash_tile(code + first, salts + 32 * first, first_index + first, rows, columns,
                      std::min(kTileColumns, columns - first), out + 32 * first, compress);
        }
    });
}

ColumnHashes::ColumnHashes(const u8* salts, u64 rows, u64 columns)
    : rows_(rows), used_(kLeafPrefixBytes), columns_(columns) {
    for (u64 c = 0; c < columns; ++c) {
        columns_[c].state = sha_start();
        leaf_prefix(columns_[c].tail, c, salts + 32 * c, static_cast<u32>(rows));
    }
}

void ColumnHashes::absorb(const u64* code, u64 height, unsigned threads, CompressPair compress) {
    const u64 columns = columns_.size(), tiles = (columns + kTileColumns - 1) / kTileColumns;
    parallel_for(tiles, 16, threads, [&](u64 begin, u64 end) {
        zkdl::Column tile[kTileColumns];
        for (u64 t = begin; t < end; ++t) {
            const u64 first = t * kTileColumns, width = std::min(kTileColumns, columns - first);
            for (u64 c = 0; c < width; ++c) {
                tile[c].state = columns_[first + c].state;
                tile[c].used = used_;
                std::memcpy(tile[c].message, columns_[first + c].tail, used_);
            }
            for (u64 row = 0; row < height; row += kTileRows)
                absorb_tile(code + first, row, std::min(kTileRows, height - row), columns, tile, width, compress);
            for (u64 c = 0; c < width; ++c) {
                columns_[first + c].state = tile[c].state;
                std::memcpy(columns_[first + c].tail, tile[c].message, tile[c].used);
            }
        }
    });
    used_ = (used_ + 8 * height) % 64;
}

void ColumnHashes::finish(u8* out, CompressPair compress) {
    for (u64 c = 0; c < columns_.size(); ++c) {
        u8 message[128];
        std::memcpy(message, columns_[c].tail, used_);
        const u64 blocks = static_cast<u64>(sha_pad(message, static_cast<int>(used_), kLeafPrefixBytes + 8 * rows_));
        ShaState spare = columns_[c].state;
        compress(columns_[c].state, message, spare, message, blocks);
        sha_digest(columns_[c].state, out + 32 * c);
    }
}

void merkle_parents(const u8* nodes, u8 level, u64 count, u8* out, unsigned threads, CompressPair compress) {
    parallel_for(count, 512, threads, [&](u64 begin, u64 end) {
        alignas(16) u8 blocks[2][128];
        for (u64 i = begin; i < end; i += 2) {
            const u64 pair[2] = {i, std::min(i + 1, end - 1)};
            ShaState states[2] = {sha_start(), sha_start()};
            for (int k = 0; k < 2; ++k) node_message(blocks[k], level, pair[k], nodes + 64 * pair[k]);
            compress(states[0], blocks[0], states[1], blocks[1], 2);
            for (int k = 0; k < 2; ++k) sha_digest(states[k], out + 32 * pair[k]);
        }
    });
}

}  // namespace zkdl
