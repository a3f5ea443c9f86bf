// Barriers and fences of a block.
#pragma once

#include "interface.h"

inline void __syncthreads(emulator::Site site = EMULATOR_HERE) {
    emulator::sync_block(site);
}
inline int __syncthreads_count(int predicate, emulator::Site site = EMULATOR_HERE) {
    return emulator::sync_block_reduce(predicate, emulator::Reduction::count, site);
}
inline int __syncthreads_and(int predicate, emulator::Site site = EMULATOR_HERE) {
    return emulator::sync_block_reduce(predicate, emulator::Reduction::all, site);
}
inline int __syncthreads_or(int predicate, emulator::Site site = EMULATOR_HERE) {
    return emulator::sync_block_reduce(predicate, emulator::Reduction::any, site);
}

// one thread runs at a time: only the race detector has a use for fences
inline void __threadfence() {
    emulator::fence();
}
inline void __threadfence_system() {
    emulator::fence();
}
// orders nothing between blocks, and within a block only barriers count
inline void __threadfence_block() {}

inline void __nanosleep(unsigned, emulator::Site site = EMULATOR_HERE) {
    emulator::let_others_run(false, site);
}
[[noreturn]] inline void __trap(emulator::Site site = EMULATOR_HERE) {
    emulator::fail_at(site, "__trap()");
}
// launches follow one another here, whatever they were asked for
inline void cudaGridDependencySynchronize() {}
inline void cudaTriggerProgrammaticLaunchCompletion() {}
