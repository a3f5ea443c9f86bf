// Clocks of threads: what barriers, warps, fences and atomics order.
#include "race_clocks.h"

#include <algorithm>
#include <array>

#include "race.h"

namespace emulator::race {
namespace {

/// What a thread knows of other blocks.
struct Knowledge {
    /// By block: barriers passed before which everything is known.
    std::vector<uint32_t> barriers;
    /// By thread: the clock up to which everything is known.
    std::map<uint32_t, uint32_t> clocks;

    bool empty() const { return barriers.empty(); }

    void join(const Knowledge& other) {
        if (barriers.size() < other.barriers.size()) barriers.resize(other.barriers.size());
        for (size_t i = 0; i < other.barriers.size(); ++i) {
            barriers[i] = std::max(barriers[i], other.barriers[i]);
        }
        for (const auto& [thread, clock] : other.clocks) {
            clocks[thread] = std::max(clocks[thread], clock);
        }
    }
};

struct Thread {
    uint32_t clock = 1;
    // at the last barrier of each kind
    uint32_t block = 0;
    uint32_t cluster = 0;
    uint32_t grid = 0;
    /// By lane of the warp.
    std::array<uint32_t, 32> warp{};
    Knowledge known;
    /// Known at the last fence: what a relaxed atomic hands on.
    Knowledge fenced;
    /// Seen by relaxed atomics: known after the next fence.
    Knowledge seen;
};

std::vector<Thread> threads;
/// By block: barriers passed.
std::vector<uint32_t> passed;
/// By address of atomics: what was handed on there.
std::map<const void*, Knowledge> handed_on;
unsigned block_size = 1;
unsigned cluster_blocks = 1;

/// All threads of [first, last) know what each of them knew.
void share(unsigned first, unsigned last) {
    Knowledge all;
    for (unsigned i = first; i < last; ++i) all.join(threads[i].known);
    if (all.empty()) return;
    for (unsigned i = first; i < last; ++i) threads[i].known = all;
}

/// What `thread` can hand on now; what it does later is not part of it.
Knowledge everything_known(unsigned thread) {
    Knowledge known = threads[thread].known;
    known.barriers.resize(passed.size());
    known.barriers[thread / block_size] = passed[thread / block_size];
    // what the lanes of its warp did before they met
    const unsigned first = thread - thread % block_size % 32;
    for (unsigned lane = 0; lane < 32; ++lane) {
        const uint32_t met = threads[thread].warp[lane];
        if (!met) continue;
        uint32_t& clock = known.clocks[first + lane];
        clock = std::max(clock, met);
    }
    known.clocks[thread] = threads[thread].clock++;
    return known;
}

}  // namespace

void start_clocks(unsigned blocks, unsigned threads_per_block, unsigned cluster) {
    block_size = threads_per_block;
    cluster_blocks = cluster;
    threads.assign(size_t{blocks} * threads_per_block, {});
    passed.assign(blocks, 1);
    handed_on.clear();
}

Moment moment_of(unsigned thread) {
    return {thread, threads[thread].clock, passed[thread / block_size]};
}

void block_barrier(unsigned block) {
    const unsigned first = block * block_size;
    ++passed[block];
    share(first, first + block_size);
    for (unsigned i = first; i < first + block_size; ++i) threads[i].block = threads[i].clock++;
}

void cluster_barrier(unsigned first, unsigned last) {
    for (unsigned block = first; block < last; ++block) ++passed[block];
    share(first * block_size, last * block_size);
    for (unsigned i = first * block_size; i < last * block_size; ++i) {
        threads[i].cluster = threads[i].clock++;
    }
}

void grid_barrier() {
    for (Thread& thread : threads) thread.grid = thread.clock++;
}

void warp_operation(unsigned block, unsigned warp, unsigned lanes) {
    Thread* of_warp = &threads[size_t{block} * block_size + warp * 32];
    std::array<uint32_t, 32> joined{};
    for (unsigned lane = 0; lane < 32; ++lane) {
        if (!(lanes >> lane & 1)) continue;
        of_warp[lane].warp[lane] = of_warp[lane].clock++;
        for (unsigned k = 0; k < 32; ++k) joined[k] = std::max(joined[k], of_warp[lane].warp[k]);
    }
    for (unsigned lane = 0; lane < 32; ++lane) {
        if (lanes >> lane & 1) of_warp[lane].warp = joined;
    }
}

bool happened_before(const Moment& moment, unsigned now) {
    const unsigned then = moment.thread;
    if (then == now) return true;
    const unsigned block = then / block_size;
    const unsigned block_now = now / block_size;
    uint32_t ordered = threads[then].grid;
    if (block / cluster_blocks == block_now / cluster_blocks) {
        ordered = std::max(ordered, threads[then].cluster);
    }
    if (block == block_now) {
        const unsigned lane = then % block_size;
        ordered = std::max(ordered, threads[then].block);
        if (lane / 32 == now % block_size / 32) {
            ordered = std::max(ordered, threads[now].warp[lane % 32]);
        }
    }
    if (moment.clock <= ordered) return true;
    const Knowledge& known = threads[now].known;
    if (block < known.barriers.size() && moment.barriers < known.barriers[block]) return true;
    const auto clock = known.clocks.find(then);
    return clock != known.clocks.end() && moment.clock <= clock->second;
}

void fence_of(unsigned number) {
    Thread& thread = threads[number];
    thread.known.join(thread.seen);
    thread.seen = {};
    thread.fenced = everything_known(number);
}

void meet_at(const void* pointer, unsigned number, Ordering ordering, bool reads, bool writes) {
    Thread& thread = threads[number];
    Knowledge& here = handed_on[pointer];
    const Knowledge before = reads ? here : Knowledge{};
    if (writes) here.join(ordering.releases ? everything_known(number) : thread.fenced);
    (ordering.acquires ? thread.known : thread.seen).join(before);
}

}  // namespace emulator::race
