// The largest absolute value.
#pragma once

#include <algorithm>

#include "zkdl/portability.h"

namespace zkdl {

// Of count integers of at most 64 bits; 0 of none. The lowest 64-bit integer counts as 2^63.
template <class Integer>
u64 largest_of(const Integer* values, u64 count) {
    u64 out = 0;
    for (u64 i = 0; i < count; ++i) {
        const i64 value = values[i];
        out = std::max(out, value < 0 ? 0 - static_cast<u64>(value) : static_cast<u64>(value));
    }
    return out;
}

}  // namespace zkdl
