// Asynchronous copies to shared memory: each happens at the wait, and leaves NaN until then.
#pragma once

#include "cuda_runtime.h"

using __pipeline_prior_t = unsigned;

inline void __pipeline_memcpy_async(void* to, const void* from, size_t bytes, size_t zeros = 0,
                                    emulator::Site site = EMULATOR_HERE) {
    emulator::copy_async(to, from, bytes, zeros, site);
}
inline void __pipeline_commit() {
    emulator::commit_copies();
}
inline void __pipeline_wait_prior(unsigned prior, emulator::Site site = EMULATOR_HERE) {
    emulator::wait_for_copies(prior, site);
}
