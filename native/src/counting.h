// How often each row of a table is looked up.
#pragma once

#include <vector>

#include "zkdl/portability.h"

namespace zkdl {

// values == nullptr: `constant` everywhere.
struct LookupField {
    const i32* values;
    i32 constant;
    i64 least, size;
};

// counts[row] += 1 for every tuple; index maps the mixed-radix key of its fields, the first one being the lowest digit, to a row, or to -1 for none; without an index
// the key is the row.
void count_lookups(const std::vector<LookupField>& fields, u64 length, const i32* index, i32* counts, u64 rows,
                   unsigned threads);

}  // namespace zkdl
