// Runs a launch.
#pragma once

#include "state.h"

namespace emulator {

/// False if the launch has failed; the message has been reported.
bool run_grid(const Launch& launch, const std::function<void()>& body);
/// Blocks [first, last) alive at the same time.
void run_together(Grid& grid, unsigned first, unsigned last);

}  // namespace emulator
