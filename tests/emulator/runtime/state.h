// Threads, warps, blocks and the grid of a launch that runs.
#pragma once

#include <array>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "context.h"
#include "emulator/interface.h"

namespace emulator {

enum class Waits : uint8_t { no, block, warp, grid, cluster, exited };

struct AsyncCopy {
    char* to;
    const char* from;
    size_t bytes;
    size_t zeros;
    Site site;
};

/// A thread of CUDA.
struct Fiber {
    Context context;
    uint3 thread;
    unsigned number;
    Waits waits = Waits::no;
    Site site{"(start)", 0};
    int predicate = 0;
    int reduced = 0;
    // the oldest first; few, and of most threads none
    std::vector<std::vector<AsyncCopy>> committed;
    std::vector<AsyncCopy> uncommitted;
};

/// Lanes that have arrived at an operation of their warp.
struct Meeting {
    unsigned mask;
    unsigned arrived;
    WarpWork work;
    const char* name;
    Site site;
    std::array<void*, 32> lanes;
};

struct Warp {
    std::vector<Meeting> meetings;
    unsigned exited = 0;
};

enum class Pause : uint8_t { none, yielded, at_grid, at_cluster, finished, failed };

struct Grid;

/// All its threads run on one thread of the operating system.
struct Block {
    Grid* grid;
    /// Blocks of a cluster have successive numbers.
    unsigned number;
    uint3 index;
    unsigned size;
    char* stacks;

    std::vector<Fiber> fibers;
    std::vector<Warp> warps;
    std::vector<unsigned> ready;
    size_t first_ready = 0;
    unsigned alive = 0;

    unsigned at_barrier = 0;
    Site barrier{"", 0};
    Reduction reduction = Reduction::none;
    unsigned at_outer_barrier = 0;
    Site outer_barrier{"", 0};

    Context scheduler;
    Pause pause = Pause::none;
    unsigned char* shared = nullptr;
    size_t shared_bytes = 0;
    std::condition_variable turn;
};

struct Grid {
    Launch launch;
    std::function<void()> body;
    std::vector<std::unique_ptr<Block>> blocks;
    bool failed = false;
    unsigned spins = 0;

    // of blocks that are alive together: who may run, and who waits for that
    std::mutex mutex;
    Block* holder = nullptr;
    std::condition_variable changed;
};

constexpr unsigned count(dim3 size) {
    return size.x * size.y * size.z;
}

/// Where a thread of that number is in its block.
uint3 thread_index(unsigned number, dim3 block);

/// Who runs; of the blocks that are alive together only the holder touches these.
extern Block* running_block;
extern Fiber* running_fiber;

std::string who(unsigned thread, const Block& block);
/// "block (x,y,z)"
std::string which(const Block& block);

}  // namespace emulator
