// What happens to barriers when a thread exits.
#pragma once

#include "state.h"

namespace emulator {

/// Marks the thread as exited; an error if others wait for it.
void exits(Block& block, Fiber& fiber);

}  // namespace emulator
