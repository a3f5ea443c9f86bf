// Clocks of threads: what barriers, warps, fences and atomics order.
#include "race_clocks.h"

#include <algorithm>
#include <array>
#include <memory>
#include <unordered_map>
#include <utility>

#include "race.h"

namespace emulator::race {
namespace {

/// Everything that a thread did up to a clock is known.
struct Clock {
    uint32_t thread;
    uint32_t clock;
};

/// What a thread knows of other blocks.
struct Knowledge {
    /// By block: barriers passed before which everything is known.
    std::vector<uint32_t> barriers;
    /// One of a thread, in the order of threads.
    std::vector<Clock> clocks;

    void join(const Knowledge& other) {
        if (barriers.size() < other.barriers.size()) barriers.resize(other.barriers.size());
        for (size_t i = 0; i < other.barriers.size(); ++i) {
            barriers[i] = std::max(barriers[i], other.barriers[i]);
        }
        if (!other.clocks.empty()) join(other.clocks);
    }

    void join(const std::vector<Clock>& others) {
        std::vector<Clock> all;
        all.reserve(clocks.size() + others.size());
        auto mine = clocks.begin();
        for (const Clock& other : others) {
            while (mine != clocks.end() && mine->thread < other.thread) all.push_back(*mine++);
            all.push_back(other);
            if (mine == clocks.end() || mine->thread > other.thread) continue;
            all.back().clock = std::max(other.clock, mine++->clock);
        }
        all.insert(all.end(), mine, clocks.end());
        clocks = std::move(all);
    }

    /// The clock up to which everything of `thread` is known; 0 is nothing.
    uint32_t clock_of(uint32_t thread) const {
        const auto earlier = [](const Clock& one, uint32_t number) { return one.thread < number; };
        const auto found = std::lower_bound(clocks.begin(), clocks.end(), thread, earlier);
        return found == clocks.end() || found->thread != thread ? 0 : found->clock;
    }
};

/// All who know the same have one object, which nobody changes; null is nothing.
using Known = std::shared_ptr<const Knowledge>;

Known joined(const Known& some, const Known& others) {
    if (!others || some == others) return some;
    if (!some) return others;
    const auto all = std::make_shared<Knowledge>(*some);
    all->join(*others);
    return all;
}

struct Thread {
    uint32_t clock = 1;
    // at the last barrier of each kind
    uint32_t block = 0;
    uint32_t cluster = 0;
    uint32_t grid = 0;
    /// By lane of the warp.
    std::array<uint32_t, 32> warp{};
    Known known;
    /// Known at the last fence: what a relaxed atomic hands on.
    Known fenced;
    /// Seen by relaxed atomics: known after the next fence.
    Known seen;
};

std::vector<Thread> threads;
/// By block: barriers passed.
std::vector<uint32_t> passed;
/// By address of atomics: what was handed on there.
std::unordered_map<const void*, Known> handed_on;
unsigned block_size = 1;
unsigned cluster_blocks = 1;

/// All threads of [first, last) know what each of them knew.
void share(unsigned first, unsigned last) {
    Known all = threads[first].known;
    for (unsigned i = first + 1; i < last; ++i) {
        // most know what the one before them knows
        if (threads[i].known != threads[i - 1].known) all = joined(all, threads[i].known);
    }
    if (!all) return;
    for (unsigned i = first; i < last; ++i) threads[i].known = all;
}

/// What `thread` can hand on now; what it does later is not part of it.
Known everything_known(unsigned thread) {
    const Known& before = threads[thread].known;
    const auto known = before ? std::make_shared<Knowledge>(*before) : std::make_shared<Knowledge>();
    known->barriers.resize(passed.size());
    known->barriers[thread / block_size] = passed[thread / block_size];
    // what it did, and what the lanes of its warp did before they met
    std::vector<Clock> own;
    const unsigned first = thread - thread % block_size % 32;
    for (unsigned lane = 0; lane < 32; ++lane) {
        const bool is_its_own = first + lane == thread;
        const uint32_t clock = is_its_own ? threads[thread].clock++ : threads[thread].warp[lane];
        if (clock) own.push_back({first + lane, clock});
    }
    known->join(own);
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
    const Known& known = threads[now].known;
    if (!known) return false;
    if (block < known->barriers.size() && moment.barriers < known->barriers[block]) return true;
    return moment.clock <= known->clock_of(then);
}

void fence_of(unsigned number) {
    Thread& thread = threads[number];
    thread.known = joined(thread.known, thread.seen);
    thread.seen = {};
    thread.fenced = everything_known(number);
}

void meet_at(const void* pointer, unsigned number, Ordering ordering, bool reads, bool writes) {
    Thread& thread = threads[number];
    Known& here = handed_on[pointer];
    const Known before = here;
    if (writes) here = joined(here, ordering.releases ? everything_known(number) : thread.fenced);
    if (!reads) return;
    Known& learning = ordering.acquires ? thread.known : thread.seen;
    learning = joined(learning, before);
}

}  // namespace emulator::race
