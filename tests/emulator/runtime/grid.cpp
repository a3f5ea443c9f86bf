// The blocks of a launch: one after another where they do not meet, else a wave at a time.
#include "grid.h"

#include <algorithm>
#include <numeric>

#include "race.h"
#include "scheduler.h"
#include "settings.h"
#include "shared_memory.h"

namespace emulator {

/// The blocks, cluster after cluster.
static void make_blocks(Grid& grid, char* stacks, unsigned wave) {
    const dim3 size = grid.launch.grid;
    const dim3 cluster = grid.launch.cluster;
    const unsigned threads = count(grid.launch.block);
    for (unsigned number = 0; number < count(size); ++number) {
        const unsigned rank = number % count(cluster);
        const unsigned which = number / count(cluster);
        const dim3 clusters(size.x / cluster.x, size.y / cluster.y, size.z / cluster.z);
        auto block = std::make_unique<Block>();
        block->grid = &grid;
        block->number = number;
        block->size = threads;
        block->index = {
            which % clusters.x * cluster.x + rank % cluster.x,
            which / clusters.x % clusters.y * cluster.y + rank / cluster.x % cluster.y,
            which / (clusters.x * clusters.y) * cluster.z + rank / (cluster.x * cluster.y)};
        block->stacks = stacks + number % wave * size_t{threads} * stack_bytes;
        grid.blocks.push_back(std::move(block));
    }
}

static void run_one_by_one(Grid& grid) {
    std::vector<unsigned> order(grid.blocks.size());
    std::iota(order.begin(), order.end(), 0u);
    if (settings.order == Order::reverse) std::reverse(order.begin(), order.end());
    for (size_t k = order.size(); settings.order == Order::random && k > 1; --k) {
        std::swap(order[k - 1], order[random_number() % k]);
    }
    for (const unsigned number : order) {
        Block& block = *grid.blocks[number];
        give_shared_memory(block);
        start_block(block);
        do {
            run_block(block);
        } while (block.pause == Pause::yielded);
        if (grid.failed) return;
        race::block_ends(block.number);
        // a grid may have many blocks: what this one had goes at once
        block.fibers = {};
        block.warps = {};
        block.ready = {};
    }
}

bool run_grid(const Launch& launch, const std::function<void()>& body) {
    static std::mutex one_launch_at_a_time;
    const std::lock_guard<std::mutex> lock(one_launch_at_a_time);
    restart_random();
    const HostVariables host_variables;
    Grid grid{};
    grid.launch = launch;
    grid.body = body;
    const unsigned blocks = count(launch.grid);
    const unsigned threads = count(launch.block);
    const unsigned wave = launch.cooperative ? blocks : count(launch.cluster);
    char* stacks = map_stacks(size_t{wave} * threads);
    race::launch_starts(blocks, threads, count(launch.cluster));
    race::stacks_are(stacks, size_t{wave} * threads * stack_bytes);
    make_blocks(grid, stacks, wave);
    if (wave > 1 || launch.cooperative) {
        for (unsigned first = 0; first < blocks && !grid.failed; first += wave) {
            run_together(grid, first, first + wave);
        }
    } else {
        run_one_by_one(grid);
        open_shared_memory();
    }
    unmap_stacks(stacks, size_t{wave} * threads);
    return !grid.failed;
}

}  // namespace emulator
