// Splitting a range over threads. Threads live for one call: no pool survives a fork, and nothing is global.
#pragma once

#include <algorithm>
#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "zkdl/portability.h"

namespace zkdl {

// Calls body(begin, end) on disjoint ranges that cover [0, count). A range has at least `grain` elements (the last may
// have fewer); a grain should be worth about 50 microseconds, several times the cost of starting a thread.
// The body must not throw: allocate before.
template <class Body>
void parallel_for(u64 count, u64 grain, unsigned threads, const Body& body) {
    if (count == 0) return;
    const u64 per_thread = (count + 4 * u64{threads} - 1) / (4 * u64{threads});
    const u64 chunk = std::max<u64>({grain, per_thread, 1});
    const u64 chunks = (count + chunk - 1) / chunk;
    const u64 workers = std::min<u64>(threads, chunks);
    if (workers <= 1) {
        body(u64{0}, count);
        return;
    }
    std::atomic<u64> next{0};
    const auto work = [&] {
        for (u64 i = next.fetch_add(1); i < chunks; i = next.fetch_add(1))
            body(i * chunk, std::min(count, (i + 1) * chunk));
    };
    std::vector<std::thread> started;
    started.reserve(workers - 1);
    try {
        for (u64 i = 1; i < workers; ++i) started.emplace_back(work);
    } catch (const std::system_error&) {
        // No more threads to be had: those that run, and this one, do the rest.
    }
    work();
    for (auto& thread : started) thread.join();
}

// The same with partial(begin, end) -> Value and combine(Value&, Value), in any order: combine must be exact.
template <class Value, class Partial, class Combine>
Value parallel_reduce(u64 count, u64 grain, unsigned threads, Value start, const Partial& partial,
                      const Combine& combine) {
    std::mutex lock;
    parallel_for(count, grain, threads, [&](u64 begin, u64 end) {
        const Value value = partial(begin, end);
        const std::lock_guard<std::mutex> guard(lock);
        combine(start, value);
    });
    return start;
}

}  // namespace zkdl
