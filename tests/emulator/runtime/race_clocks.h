// When accesses happened, and whether one is ordered before another.
//
// Each thread has a clock that moves on at whatever orders its accesses. A barrier remembers the
// clock of each thread that took part: what is not later than that is known to all who took part.
// Blocks learn from each other through atomics, too, but only together with fences.
#pragma once

#include <cstdint>

#include "emulator/interface.h"

namespace emulator::race {

/// Of one thread at one time. Threads are numbered over the launch.
struct Moment {
    uint32_t thread;
    uint32_t clock;
    /// Barriers that its block had passed.
    uint32_t barriers;
};

void start_clocks(unsigned blocks, unsigned threads, unsigned cluster);
Moment moment_of(unsigned thread);
/// Does what happened at `moment` come before what `thread` does now?
bool happened_before(const Moment& moment, unsigned thread);

/// A fence of `thread`.
void fence_of(unsigned thread);
/// An atomic access by `thread`.
void meet_at(const void* pointer, unsigned thread, Ordering ordering, bool reads, bool writes);

}  // namespace emulator::race
