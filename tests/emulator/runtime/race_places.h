// Places in the code, and the check of an access; between the parts of the race detector.
#pragma once

#include <string>

#include "race.h"

namespace emulator::race {

/// An address in the code, or a Site that is kept.
using Origin = const void*;

Origin kept(Site site);
/// file:line of the kernel
std::string text_of(Origin origin);

/// An access of the thread that runs; ends the launch if it is a race.
void check(const void* pointer, size_t bytes, Access access, Origin origin);
bool is_on_stack(const void* pointer);
/// -1 if no thread of a kernel runs.
int running_thread();

}  // namespace emulator::race
