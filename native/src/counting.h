// How often each row of a table is looked up.
#pragma once

#include <vector>

#include "zkdl/portability.h"

namespace zkdl {

// values == nullptr: `constant` everywhere. The first fields are indexed, the others compared with the table's column.
struct LookupField {
    const i32* values;
    i32 constant;
    const i32* column;
    i64 least, size;
};

// counts[row] += 1 for every tuple that is a row; index maps the mixed-radix key of the first `prefix` fields to a row or -1.
void count_lookups(const std::vector<LookupField>& fields, u64 prefix, u64 length, const i32* index, i32* counts,
                   u64 rows, unsigned threads);

}  // namespace zkdl
