#include "counting.h"

#include <algorithm>
#include <mutex>

#include "parallel.h"

namespace zkdl {

namespace {

i64 row_of(const std::vector<LookupField>& fields, const i32* index, u64 i) {
    i64 key = 0;
    for (const LookupField& field : fields) {
        const i64 value = (field.values != nullptr ? field.values[i] : field.constant) - field.least;
        if (value < 0 || value >= field.size) return -1;
        key = key * field.size + value;
    }
    return index != nullptr ? index[key] : key;
}

}  // namespace

void count_lookups(const std::vector<LookupField>& fields, u64 length, const i32* index, i32* counts, u64 rows,
                   unsigned threads) {
    // One run per thread, with counts of its own where more than one thread counts.
    const u64 run = (length + threads - 1) / threads;
    if (threads == 1 || run < rows) {
        for (u64 i = 0; i < length; ++i) {
            const i64 row = row_of(fields, index, i);
            if (row >= 0) ++counts[row];
        }
        return;
    }
    std::mutex lock;
    parallel_for(threads, 1, threads, [&](u64 begin, u64 end) {
        std::vector<i32> own(rows, 0);
        for (u64 i = begin * run; i < std::min(length, end * run); ++i) {
            const i64 row = row_of(fields, index, i);
            if (row >= 0) ++own[static_cast<u64>(row)];
        }
        const std::lock_guard<std::mutex> guard(lock);
        for (u64 row = 0; row < rows; ++row) counts[row] += own[row];
    });
}

}  // namespace zkdl
