// Blocks that meet: each has a thread of the operating system, and one at a time is given the turn,
// in an order from the seed, so that every run is the same run.
#include <algorithm>
#include <thread>

#include "grid.h"
#include "race.h"
#include "scheduler.h"
#include "settings.h"
#include "shared_memory.h"

namespace emulator {
namespace {

using Blocks = std::vector<Block*>;

/// The life of the thread of one block.
void live(Grid& grid, Block& block, unsigned& started) {
    std::unique_lock<std::mutex> lock(grid.mutex);
    const auto has_turn = [&] { return grid.holder == &block || grid.failed; };
    give_shared_memory(block);
    ++started;
    grid.changed.notify_all();
    block.turn.wait(lock, has_turn);
    if (grid.failed) return;
    start_block(block);
    while (true) {
        run_block(block);
        const bool ended = block.pause == Pause::finished || block.pause == Pause::failed;
        if (ended) end_shared_memory(block);
        grid.holder = nullptr;
        grid.changed.notify_all();
        if (ended) return;
        block.turn.wait(lock, has_turn);
        if (grid.failed) {
            open_shared_memory();
            return;
        }
    }
}

void give_turn(Grid& grid, Block& block) {
    std::unique_lock<std::mutex> lock(grid.mutex);
    grid.holder = &block;
    block.turn.notify_one();
    grid.changed.wait(lock, [&] { return grid.holder == nullptr; });
}

void release(const Blocks& met, Blocks& can_run) {
    for (Block* block : met) {
        const bool grid = block->pause == Pause::at_grid;
        block->at_outer_barrier = 0;
        make_ready(*block, grid ? Waits::grid : Waits::cluster);
        block->grid->spins = 0;
        can_run.push_back(block);
    }
    if (settings.order == Order::reverse) std::reverse(can_run.begin(), can_run.end());
}

bool all_wait(const Blocks& blocks, Pause pause) {
    return std::all_of(blocks.begin(), blocks.end(),
                       [&](const Block* block) { return block->pause == pause; });
}

void check_places(const Blocks& blocks, const char* name) {
    for (const Block* block : blocks) {
        if (same(block->outer_barrier, blocks[0]->outer_barrier)) continue;
        report(text("barrier divergence: blocks are at different %s.sync() calls: ", name) +
               which(*block) + " at " + place(block->outer_barrier) + ", " + which(*blocks[0]) +
               " at " + place(blocks[0]->outer_barrier));
        block->grid->failed = true;
    }
}

/// Lets the blocks go on whose barrier is complete; none of them, if there are none.
void release_complete(Grid& grid, const Blocks& blocks, Blocks& can_run) {
    if (all_wait(blocks, Pause::at_grid)) {
        check_places(blocks, "grid");
        race::grid_barrier();
        release(blocks, can_run);
        return;
    }
    const unsigned size = count(grid.launch.cluster);
    for (size_t i = 0; i < blocks.size(); i += size) {
        const Blocks cluster(blocks.begin() + i, blocks.begin() + i + size);
        if (!all_wait(cluster, Pause::at_cluster)) continue;
        check_places(cluster, "cluster");
        race::cluster_barrier(cluster[0]->number, cluster[0]->number + size);
        release(cluster, can_run);
    }
}

void report_deadlock(const Blocks& blocks) {
    const Block* waiting = nullptr;
    const Block* ended = nullptr;
    for (const Block* block : blocks) {
        if (block->pause == Pause::finished) ended = block;
        if (block->pause != Pause::finished && !waiting) waiting = block;
    }
    const char* name = waiting->pause == Pause::at_grid ? "grid" : "cluster";
    report("deadlock: " + which(*waiting) + " waits at the " + name + ".sync() of " +
           place(waiting->outer_barrier) + " but " +
           (ended ? which(*ended) + " has exited" : "others wait elsewhere"));
}

void run_all(Grid& grid, const Blocks& blocks) {
    Blocks can_run = blocks;
    if (settings.order == Order::reverse) std::reverse(can_run.begin(), can_run.end());
    while (!grid.failed) {
        if (can_run.empty()) {
            if (all_wait(blocks, Pause::finished)) return;
            release_complete(grid, blocks, can_run);
            if (can_run.empty()) {
                report_deadlock(blocks);
                grid.failed = true;
            }
            continue;
        }
        const bool random = settings.order == Order::random;
        const size_t chosen = random ? random_number() % can_run.size() : 0;
        Block* block = can_run[chosen];
        can_run.erase(can_run.begin() + chosen);
        give_turn(grid, *block);
        if (block->pause == Pause::yielded) can_run.push_back(block);
    }
}

}  // namespace

void run_together(Grid& grid, unsigned first, unsigned last) {
    Blocks blocks;
    for (unsigned i = first; i < last; ++i) blocks.push_back(grid.blocks[i].get());
    std::vector<std::thread> threads;
    unsigned started = 0;
    for (Block* block : blocks) {
        threads.emplace_back([&grid, block, &started] { live(grid, *block, started); });
    }
    {
        // all have their memory before any runs: a block may read that of its neighbours
        std::unique_lock<std::mutex> lock(grid.mutex);
        grid.changed.wait(lock, [&] { return started == blocks.size(); });
    }
    run_all(grid, blocks);
    {
        const std::lock_guard<std::mutex> lock(grid.mutex);
        // after a failure they wait for a turn that does not come
        for (Block* block : blocks) block->turn.notify_one();
    }
    for (std::thread& thread : threads) thread.join();
}

}  // namespace emulator
