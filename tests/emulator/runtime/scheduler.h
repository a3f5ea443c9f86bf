// Which thread of a block goes on.
#pragma once

#include "state.h"

namespace emulator {

void make_ready(Block& block, unsigned number);
/// All threads of the block that wait so.
void make_ready(Block& block, Waits waits);
/// The running thread waits: others go on, and later this one.
void wait_here();
/// The running thread waits, and its block with it.
void pause_block(Pause pause);
/// Ends the launch; the message has been reported.
[[noreturn]] void fail();

void start_block(Block& block);
/// Until the block ends, fails, or waits for other blocks: then `pause` says why.
void run_block(Block& block);

}  // namespace emulator
