// Barriers of block, grid and cluster, and threads that exit. Stricter than CUDA on purpose: no
// thread may exit before a barrier of its block.
#include "barriers.h"

#include "race.h"
#include "scheduler.h"
#include "settings.h"

namespace emulator {

static const Fiber& first(const Block& block, Waits waits) {
    for (const Fiber& fiber : block.fibers) {
        if (fiber.waits == waits) return fiber;
    }
    return block.fibers[0];
}

[[noreturn]] static void diverged(const std::string& said) {
    report("barrier divergence: " + said);
    fail();
}

static void reduce_predicates(Block& block) {
    unsigned set = 0;
    for (const Fiber& fiber : block.fibers) set += fiber.predicate != 0;
    int result = static_cast<int>(set);
    if (block.reduction == Reduction::all) result = set == block.size;
    if (block.reduction == Reduction::any) result = set > 0;
    for (Fiber& fiber : block.fibers) fiber.reduced = result;
}

static void arrive(Site site, Reduction reduction) {
    Block& block = *running_block;
    Fiber& me = *running_fiber;
    if (block.at_barrier && !same(site, block.barrier)) {
        diverged(who(me.number, block) + " is at the __syncthreads() of " + place(site) +
                 " while " + who(first(block, Waits::block).number, block) + " is at the one of " +
                 place(block.barrier));
    }
    if (block.alive < block.size) {
        diverged(who(me.number, block) + " waits at the __syncthreads() of " + place(site) +
                 " but " + who(first(block, Waits::exited).number, block) +
                 " has exited the kernel");
    }
    me.waits = Waits::block;
    me.site = site;
    block.barrier = site;
    block.reduction = reduction;
    if (++block.at_barrier == block.size) {
        if (reduction != Reduction::none) reduce_predicates(block);
        block.at_barrier = 0;
        block.grid->spins = 0;
        race::block_barrier(block.number);
        make_ready(block, Waits::block);
    }
    wait_here();
}

void sync_block(Site site) {
    arrive(site, Reduction::none);
}

int sync_block_reduce(int predicate, Reduction reduction, Site site) {
    Fiber& me = *running_fiber;
    me.predicate = predicate;
    arrive(site, reduction);
    return me.reduced;
}

/// The block's loop sees that all threads have arrived, and the grid's loop that all blocks have.
static void arrive_outside(Site site, Waits waits, const char* name) {
    Block& block = *running_block;
    if (block.at_outer_barrier && !same(site, block.outer_barrier)) {
        diverged(text("threads of one block are at the %s.sync() of ", name) + place(site) +
                 " and of " + place(block.outer_barrier));
    }
    ++block.at_outer_barrier;
    block.outer_barrier = site;
    running_fiber->waits = waits;
    running_fiber->site = site;
    wait_here();
}

void sync_grid(Site site) {
    if (!running_block->grid->launch.cooperative) {
        fail_at(site, "grid.sync() in a kernel that was not launched as cooperative");
    }
    arrive_outside(site, Waits::grid, "grid");
}

void sync_cluster(Site site) {
    // without a cluster launch each block is a cluster of its own
    if (count(running_block->grid->launch.cluster) == 1 &&
        !running_block->grid->launch.cooperative) {
        fail_at(site, "cluster.sync() in a kernel that was not launched with clusters");
    }
    arrive_outside(site, Waits::cluster, "cluster");
}

void fence() {
    race::fence();
}

void let_others_run(bool changed, Site site) {
    if (!running_fiber) return;
    Block& block = *running_block;
    Fiber& me = *running_fiber;
    if (!changed && ++block.grid->spins > settings.most_spins) {
        fail_at(site, "no barrier was passed in %u yields: a loop that waits for nobody?",
                settings.most_spins);
    }
    if (settings.order == Order::random && random_number() % 4) return;
    me.site = site;
    make_ready(block, me.number);
    const bool alone = block.first_ready + 1 == block.ready.size();
    if (block.grid->blocks.size() > 1 && (alone || random_number() % 8 == 0)) {
        pause_block(Pause::yielded);
    } else {
        wait_here();
    }
}

void exits(Block& block, Fiber& fiber) {
    bool copying = !fiber.uncommitted.empty();
    for (const auto& group : fiber.committed) copying |= !group.empty();
    if (copying) {
        const Site site = fiber.committed.empty() || fiber.committed.back().empty()
                              ? fiber.uncommitted.empty() ? fiber.site : fiber.uncommitted[0].site
                              : fiber.committed.back()[0].site;
        fail_at(site, "a thread exited with asynchronous copies that it has not waited for");
    }
    if (block.at_barrier) {
        const Fiber& other = first(block, Waits::block);
        diverged(who(fiber.number, block) + " has exited the kernel while " +
                 who(other.number, block) + " waits at the __syncthreads() of " +
                 place(other.site));
    }
    Warp& warp = block.warps[fiber.number / 32];
    const unsigned bit = 1u << fiber.number % 32;
    for (const Meeting& meeting : warp.meetings) {
        if (meeting.mask & bit) {
            fail_at(meeting.site, "a lane exited while others of its mask wait in %s",
                    meeting.name);
        }
    }
    fiber.waits = Waits::exited;
    --block.alive;
    warp.exited |= bit;
}

}  // namespace emulator
