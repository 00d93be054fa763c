#include "counting.h"

#include <algorithm>
#include <mutex>

#include "parallel.h"

namespace zkdl {

namespace {

i64 row_of(const std::vector<LookupField>& fields, const i32* index, u64 i) {
    i64 key = 0, radix = 1;
    for (const LookupField& field : fields) {
        const i64 value = (field.values != nullptr ? field.values[i] : field.constant) - field.least;
        if (value < 0 || value >= field.size) return -1;
        key += radix * value;
        radix *= field.size;
    }
    return index != nullptr ? index[key] : key;
}

// What the first field alone decides when all others are constant: rows first_row + (value - least) for the values
// [least, least + size), and none for other values.
struct Interval {
    const i32* values;
    i64 least, size, first_row;
};

// Range tables hold an interval for every width. Reading the index for every value would cost a cache miss each.
bool find_interval(const std::vector<LookupField>& fields, const i32* index, u64 length, Interval& out) {
    const LookupField& first = fields[0];
    i64 offset = 0, radix = first.size;
    for (u64 f = 1; f < fields.size(); ++f) {
        const i64 value = fields[f].constant - fields[f].least;
        if (fields[f].values != nullptr || value < 0 || value >= fields[f].size) return false;
        offset += radix * value;
        radix *= fields[f].size;
    }
    if (first.values == nullptr || static_cast<u64>(first.size) > length) return false;
    out = {first.values, first.least, first.size, offset};
    if (index == nullptr) return true;
    const i32* section = index + offset;
    i64 begin = 0, end = first.size;
    while (begin < end && section[begin] < 0) ++begin;
    while (begin < end && section[end - 1] < 0) --end;
    for (i64 k = begin; k < end; ++k)
        if (section[k] != section[begin] + (k - begin)) return false;
    out = {first.values, first.least + begin, end - begin, begin < end ? section[begin] : 0};
    return true;
}

// to[k] counts row first_row + k.
void count_interval(const Interval& interval, u64 begin, u64 end, i32* to) {
    const u64 size = static_cast<u64>(interval.size);
    for (u64 i = begin; i < end; ++i) {
        // A value below the interval wraps around to a large one.
        const u64 at = static_cast<u64>(interval.values[i] - interval.least);
        if (at < size) ++to[at];
    }
}

}  // namespace

void count_lookups(const std::vector<LookupField>& fields, u64 length, const i32* index, i32* counts, u64 rows,
                   unsigned threads) {
    Interval interval{};
    const bool is_interval = find_interval(fields, index, length, interval);
    const u64 first_row = is_interval ? static_cast<u64>(interval.first_row) : 0;
    const u64 used_rows = is_interval ? static_cast<u64>(interval.size) : rows;
    // Adds to the counts of the rows from first_row on.
    const auto count_run = [&](u64 begin, u64 end, i32* to) {
        if (is_interval) return count_interval(interval, begin, end, to);
        for (u64 i = begin; i < end; ++i) {
            const i64 row = row_of(fields, index, i);
            if (row >= 0) ++to[row];
        }
    };
    // One run per thread, with counts of its own where more than one thread counts.
    const u64 run = (length + threads - 1) / threads;
    if (threads == 1 || run < used_rows) return count_run(0, length, counts + first_row);
    std::mutex lock;
    parallel_for(threads, 1, threads, [&](u64 begin, u64 end) {
        std::vector<i32> own(used_rows, 0);
        count_run(std::min(length, begin * run), std::min(length, end * run), own.data());
        const std::lock_guard<std::mutex> guard(lock);
        for (u64 row = 0; row < used_rows; ++row) counts[first_row + row] += own[row];
    });
}

}  // namespace zkdl
