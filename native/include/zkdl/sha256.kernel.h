// SHA-256 of the leaves and nodes of a Merkle tree.
#pragma once

#include "launch.h"

namespace zkdl {

#ifdef __CUDACC__
#define ZK_CONSTANT __device__ __constant__
#else
#define ZK_CONSTANT inline constexpr
#endif

ZK_CONSTANT u32 kRoundConstants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

struct ShaState {
    u32 h[8];
};

ZK_FN ShaState sha_start() {
    return {{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

ZK_FN u32 rotate_right(u32 x, unsigned n) { return (x >> n) | (x << (32 - n)); }

ZK_FN void sha_block(ShaState& state, const u8* block) {
    u32 w[16];
    for (int i = 0; i < 16; ++i)
        w[i] = static_cast<u32>(block[4 * i]) << 24 | static_cast<u32>(block[4 * i + 1]) << 16 |
               static_cast<u32>(block[4 * i + 2]) << 8 | block[4 * i + 3];
    u32 a = state.h[0], b = state.h[1], c = state.h[2], d = state.h[3];
    u32 e = state.h[4], f = state.h[5], g = state.h[6], h = state.h[7];
    for (int i = 0; i < 64; ++i) {
        if (i >= 16) {
            const u32 x = w[(i + 1) & 15], y = w[(i + 14) & 15];
            w[i & 15] += (rotate_right(x, 7) ^ rotate_right(x, 18) ^ (x >> 3)) + w[(i + 9) & 15] +
                         (rotate_right(y, 17) ^ rotate_right(y, 19) ^ (y >> 10));
        }
        const u32 t1 = h + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) + ((e & f) ^ (~e & g)) +
                       kRoundConstants[i] + w[i & 15];
        const u32 t2 = (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    state.h[0] += a;
    state.h[1] += b;
    state.h[2] += c;
    state.h[3] += d;
    state.h[4] += e;
    state.h[5] += f;
    state.h[6] += g;
    state.h[7] += h;
}

ZK_FN void sha_digest(const ShaState& state, u8* out) {
    for (int i = 0; i < 32; ++i) out[i] = static_cast<u8>(state.h[i / 4] >> (24 - 8 * (i % 4)));
}

ZK_FN void store_little_endian(u8* out, u64 value, int bytes) {
    for (int i = 0; i < bytes; ++i) out[i] = static_cast<u8>(value >> (8 * i));
}

// 0x80, zeros and the length in bits after `used` bytes of the last block; returns the number of blocks, 1 or 2.
ZK_FN int sha_pad(u8* blocks, int used, u64 message_bytes) {
    const int count = used + 9 <= 64 ? 1 : 2;
    blocks[used] = 0x80;
    for (int i = used + 1; i < 64 * count - 8; ++i) blocks[i] = 0;
    for (int i = 0; i < 8; ++i) blocks[64 * count - 8 + i] = static_cast<u8>((message_bytes * 8) >> (56 - 8 * i));
    return count;
}

constexpr int kLeafPrefixBytes = 45;

// 0x00 || u64le index || salt || u32le rows
ZK_FN void leaf_prefix(u8* out, u64 index, const u8* salt, u32 rows) {
    out[0] = 0;
    store_little_endian(out + 1, index, 8);
    for (int i = 0; i < 32; ++i) out[9 + i] = salt[i];
    store_little_endian(out + 41, rows, 4);
}

constexpr int kNodeBytes = 74;

// 0x01 || u8 level || u64le index || left || right, padded to two blocks
ZK_FN void node_message(u8* blocks, u8 level, u64 index, const u8* children) {
    blocks[0] = 1;
    blocks[1] = level;
    store_little_endian(blocks + 2, index, 8);
    for (int i = 0; i < 64; ++i) blocks[10 + i] = children[i];
    sha_pad(blocks + 64, kNodeBytes - 64, kNodeBytes);
}

// A leaf's hash between two blocks of rows: what is left over of a message block waits in `pending`.
struct LeafHash {
    ShaState state;
    u8 pending[64];
};

// Bytes of a leaf's message that are waiting after `rows` rows.
ZK_FN int pending_bytes(u64 rows) { return static_cast<int>((kLeafPrefixBytes + 8 * rows) % 64); }

// Add the rows first .. first + count of a column to its hash; `stride` is from one row to the next.
ZK_FN void leaf_update(LeafHash& hash, const u64* column, u64 stride, u64 first, u64 count) {
    u8 buffer[72];
    int used = pending_bytes(first);
    for (int i = 0; i < used; ++i) buffer[i] = hash.pending[i];
    for (u64 row = 0; row < count; ++row) {
        store_little_endian(buffer + used, column[row * stride], 8);
        used += 8;
        if (used >= 64) {
            sha_block(hash.state, buffer);
            used -= 64;
            for (int i = 0; i < used; ++i) buffer[i] = buffer[64 + i];
        }
    }
    for (int i = 0; i < used; ++i) hash.pending[i] = buffer[i];
}

}  // namespace zkdl

#ifdef ZK_LAUNCHERS
// Thread (column): the rows first .. first + count of `total`, code (count, columns) holding them. `hashes` carries each
// column from one call to the next, first row to last; the last call writes the leaves to `out`.
extern "C" __global__ void zkdl_hash_columns(const zkdl::u64* code, const zkdl::u8* salts, zkdl::u64 first_index,
                                             zkdl::u64 total, zkdl::u64 first, zkdl::u64 count, zkdl::u64 columns,
                                             zkdl::LeafHash* hashes, zkdl::u8* out) {
    const zkdl::u64 column = zkdl::thread_index();
    if (column >= columns) return;
    zkdl::LeafHash hash;
    if (first == 0) {
        hash.state = zkdl::sha_start();
        zkdl::leaf_prefix(hash.pending, first_index + column, salts + 32 * column, static_cast<zkdl::u32>(total));
    } else {
        hash = hashes[column];
    }
    zkdl::leaf_update(hash, code + column, columns, first, count);
    if (first + count < total) {
        hashes[column] = hash;
        return;
    }
    zkdl::u8 blocks[128];
    const int used = zkdl::pending_bytes(total);
    for (int i = 0; i < used; ++i) blocks[i] = hash.pending[i];
    const int last = zkdl::sha_pad(blocks, used, zkdl::kLeafPrefixBytes + 8 * total);
    for (int i = 0; i < last; ++i) zkdl::sha_block(hash.state, blocks + 64 * i);
    zkdl::sha_digest(hash.state, out + 32 * column);
}

extern "C" __global__ void zkdl_merkle_parents(const zkdl::u8* nodes, zkdl::u64 level, zkdl::u64 count, zkdl::u8* out) {
    const zkdl::u64 i = zkdl::thread_index();
    if (i >= count) return;
    zkdl::u8 blocks[128];
    zkdl::node_message(blocks, static_cast<zkdl::u8>(level), i, nodes + 64 * i);
    zkdl::ShaState state = zkdl::sha_start();
    zkdl::sha_block(state, blocks);
    zkdl::sha_block(state, blocks + 64);
    zkdl::sha_digest(state, out + 32 * i);
}
#endif
