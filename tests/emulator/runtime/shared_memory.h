// Shared memory: all thread-local variables of the library, on the thread that runs the block.
#pragma once

#include <vector>

#include "state.h"

namespace emulator {

constexpr size_t most_shared_bytes = 227 << 10;
/// As bytes of a float of any size this is NaN, as a whole number -1.
constexpr unsigned char poison = 0xff;

/// The host has thread-local variables, too, in the same place: what they are when this is made they
/// are again when it goes.
class HostVariables {
public:
    HostVariables();
    ~HostVariables();
    HostVariables(const HostVariables&) = delete;
    HostVariables& operator=(const HostVariables&) = delete;

private:
    std::vector<unsigned char> before;
    std::vector<unsigned char> behind;
};

/// On the thread that will run the block: fills all of it, and closes what lies behind the bytes of
/// the launch.
void give_shared_memory(Block& block);
/// The block has ended: others must not read what it had.
void end_shared_memory(Block& block);
void open_shared_memory();
/// Forgets frames that were left for good.
void clean_stacks(char* stacks, size_t bytes);

}  // namespace emulator
