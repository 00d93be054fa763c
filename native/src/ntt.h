// Transforms over rows: inverse (natural -> bit-reversed) and forward (bit-reversed -> natural): nothing is permuted.
#pragma once

#include <memory>
#include <vector>

#include "ntt_plan.h"

namespace zkdl {

class Transform {
   public:
    // size: a power of two
    explicit Transform(u64 size, bool is_inverse);
    Transform(const Transform&) = delete;
    Transform& operator=(const Transform&) = delete;

    // Natural order in, bit-reversed out, not divided by the size.
    void decimate_frequency(u64* data) const { passes_->frequency(data, plan_); }
    // Bit-reversed in, natural order out.
    void decimate_time(u64* data) const { passes_->time(data, plan_); }
    // out = a * b, element by element; `size` of them.
    void multiply(const u64* a, const u64* b, u64* out) const { passes_->multiply(a, b, out, plan_.size); }

    const Plan& plan() const { return plan_; }

   private:
    std::vector<std::vector<u64>> twiddles_;
    std::vector<Level> levels_;
    Plan plan_;
    const PassTable* passes_;
};

u64 bit_reversed(u64 i, unsigned bits);
unsigned log2_exact(u64 n);

// (m, ell) values on <g_ell> -> coefficients in natural order
void interpolate_rows(const u64* values, u64 rows, u64 size, u64* out, unsigned threads);

// (m, k) coefficients -> (m, n) values at 7*g_n^i
void evaluate_rows(const u64* coefficients, u64 rows, u64 k, u64 n, u64* out, unsigned threads);

// W + (x^ell - 1)*R for rows of one size, see base.Backend.encode. What does not depend on the row is made once.
class Encoder {
   public:
    Encoder(u64 size, u64 random_count, u64 n, unsigned threads);
    ~Encoder();
    Encoder(const Encoder&) = delete;
    Encoder& operator=(const Encoder&) = delete;

    // values (rows, size), random (rows, random_count) -> out (rows, n); Integer is i32, i64 or u64
    template <class Integer>
    void encode(const Integer* values, const u64* random, u64 rows, u64* out, unsigned threads) const;

   private:
    struct Tables;
    u64 size_, random_count_, n_;
    std::unique_ptr<Tables> tables_;
};

}  // namespace zkdl
