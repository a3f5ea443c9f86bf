// Runs the threads of a block as fibers, one at a time, in the order that is set.
#include "scheduler.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "barriers.h"
#include "race.h"
#include "settings.h"
#include "shared_memory.h"

// kernels see these as constants
uint3 current_thread asm("threadIdx");
uint3 current_block asm("blockIdx");
dim3 block_size asm("blockDim");
dim3 grid_size asm("gridDim");

namespace emulator {

Block* running_block = nullptr;
Fiber* running_fiber = nullptr;

uint3 thread_index(unsigned number, dim3 block) {
    return {number % block.x, number / block.x % block.y, number / (block.x * block.y)};
}

std::string who(unsigned thread, const Block& block) {
    const uint3 t = thread_index(thread, block.grid->launch.block);
    return text("thread (%u,%u,%u) of ", t.x, t.y, t.z) + which(block);
}

std::string which(const Block& block) {
    return text("block (%u,%u,%u)", block.index.x, block.index.y, block.index.z);
}

void fail_at(Site site, const char* format, ...) {
    char said[800];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(said, sizeof said, format, arguments);
    va_end(arguments);
    if (!running_fiber) {
        fprintf(stderr, "emulator: %s (outside of a kernel)\n", said);
        abort();
    }
    report(said + ("; " + who(running_fiber->number, *running_block)) + " at " + place(site));
    fail();
}

static void becomes(Block& block, Fiber& fiber) {
    running_block = &block;
    running_fiber = &fiber;
    current_thread = fiber.thread;
    race::runs(block.number, fiber.number);
}

static void nobody_runs() {
    running_fiber = nullptr;
    race::nobody_runs();
}

static Fiber* take_next(Block& block) {
    if (block.first_ready == block.ready.size()) {
        block.ready.clear();
        block.first_ready = 0;
        return nullptr;
    }
    unsigned& next = block.ready[block.first_ready++];
    if (settings.order == Order::random) {
        const size_t others = block.ready.size() - block.first_ready + 1;
        std::swap(next, block.ready[block.first_ready - 1 + random_number() % others]);
    }
    return &block.fibers[next];
}

void make_ready(Block& block, unsigned number) {
    block.fibers[number].waits = Waits::no;
    block.ready.push_back(number);
}

void make_ready(Block& block, Waits waits) {
    for (unsigned i = 0; i < block.size; ++i) {
        const unsigned number = settings.order == Order::reverse ? block.size - 1 - i : i;
        if (block.fibers[number].waits == waits) make_ready(block, number);
    }
}

/// Switches to the next thread that can go on, or to the block's loop.
static void go_on(Block& block, Fiber& from, bool from_ends) {
    Fiber* next = take_next(block);
    if (next == &from) return;
    if (next) {
        becomes(block, *next);
    } else {
        nobody_runs();
    }
    switch_context(from.context, next ? next->context : block.scheduler, from_ends);
}

void wait_here() {
    Block& block = *running_block;
    Fiber& me = *running_fiber;
    go_on(block, me, false);
    becomes(block, me);
}

void pause_block(Pause pause) {
    Block& block = *running_block;
    Fiber& me = *running_fiber;
    block.pause = pause;
    nobody_runs();
    switch_context(me.context, block.scheduler, false);
    becomes(block, me);
}

void fail() {
    running_block->grid->failed = true;
    running_block->pause = Pause::failed;
    Fiber& me = *running_fiber;
    nobody_runs();
    switch_context(me.context, running_block->scheduler, true);
    abort();
}

static void run_thread() {
    entered(running_block->scheduler);
    running_block->grid->body();
    Block& block = *running_block;
    Fiber& me = *running_fiber;
    exits(block, me);
    go_on(block, me, true);
    abort();
}

static void prepare_thread(Block& block, unsigned number) {
    Fiber& fiber = block.fibers[number];
    fiber.number = number;
    fiber.thread = thread_index(number, block.grid->launch.block);
    prepare(fiber.context, block.stacks + number * stack_bytes, number, run_thread);
}

void start_block(Block& block) {
    block.alive = block.size;
    block.fibers = std::vector<Fiber>(block.size);
    block.warps = std::vector<Warp>((block.size + 31) / 32);
    clean_stacks(block.stacks, block.size * stack_bytes);
    for (unsigned i = 0; i < block.size; ++i) prepare_thread(block, i);
    make_ready(block, Waits::no);
}

/// All threads wait for something that will not come.
static void report_deadlock(const Block& block) {
    static const std::map<Waits, const char*> names{{Waits::no, "can run"},
                                                    {Waits::block, "at the __syncthreads() of "},
                                                    {Waits::warp, "at the warp operation of "},
                                                    {Waits::grid, "at the grid.sync() of "},
                                                    {Waits::cluster, "at the cluster.sync() of "},
                                                    {Waits::exited, "exited"}};
    std::map<std::string, std::pair<unsigned, const Fiber*>> groups;
    for (const Fiber& fiber : block.fibers) {
        std::string name = names.at(fiber.waits);
        if (fiber.waits != Waits::exited) name += place(fiber.site);
        auto& group = groups[name];
        if (!group.first++) group.second = &fiber;
    }
    std::string said = "deadlock in " + which(block) + ":";
    for (const auto& [name, group] : groups) {
        said += text(" %u threads %s (first: ", group.first, name.c_str());
        said += who(group.second->number, block) + ");";
    }
    report(said);
}

static unsigned waiting(const Block& block, Waits waits) {
    unsigned found = 0;
    for (const Fiber& fiber : block.fibers) found += fiber.waits == waits;
    return found;
}

void run_block(Block& block) {
    running_block = &block;
    current_block = block.index;
    block_size = block.grid->launch.block;
    grid_size = block.grid->launch.grid;
    block.pause = Pause::none;
    while (Fiber* fiber = take_next(block)) {
        becomes(block, *fiber);
        switch_context(block.scheduler, fiber->context, false);
        if (block.pause != Pause::none) break;
    }
    nobody_runs();
    if (block.pause != Pause::none) return;
    if (!block.alive) {
        block.pause = Pause::finished;
    } else if (waiting(block, Waits::grid) == block.size) {
        block.pause = Pause::at_grid;
    } else if (waiting(block, Waits::cluster) == block.size) {
        block.pause = Pause::at_cluster;
    } else {
        report_deadlock(block);
        block.pause = Pause::failed;
        block.grid->failed = true;
    }
}

}  // namespace emulator
