// Transforms over rows: inverse (natural -> bit-reversed) and forward (bit-reversed -> natural), so that nothing is permuted.
#pragma once

#include <vector>

#include "zkdl/portability.h"

namespace zkdl {

class Transform {
   public:
    // size: a power of two
    explicit Transform(u64 size, bool is_inverse);

    // Natural order in, bit-reversed out, not divided by the size.
    void decimate_frequency(u64* data) const;
    // Bit-reversed in, natural order out.
    void decimate_time(u64* data) const;

    u64 size() const { return size_; }

   private:
    struct Twiddles {
        u64 w1, w2, w3;
    };
    void frequency_block(u64* data, u64 size, unsigned level) const;
    void time_block(u64* data, u64 size, unsigned level) const;

    u64 size_;
    bool is_inverse_;
    // levels_[i]: (w^j, w^2j, w^3j) for the radix-4 step on blocks of size_ >> 2i, w = g_block
    std::vector<std::vector<Twiddles>> levels_;
};

u64 bit_reversed(u64 i, unsigned bits);
unsigned log2_exact(u64 n);

// (m, ell) values on <g_ell> -> coefficients in natural order
void interpolate_rows(const u64* values, u64 rows, u64 size, u64* out, unsigned threads);

// (m, k) coefficients -> (m, n) values at 7*g_n^i
void evaluate_rows(const u64* coefficients, u64 rows, u64 k, u64 n, u64* out, unsigned threads);

// W + (x^ell - 1)*R, see base.Backend.encode; Integer is i32, i64 or u64
template <class Integer>
void encode_rows(const Integer* values, const u64* random, u64 rows, u64 size, u64 random_count, u64 n, u64* out,
                 unsigned threads);

}  // namespace zkdl
