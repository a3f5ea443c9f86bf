// Keeps the last accesses of every two bytes of device and shared memory, and compares each access
// with them. Two bytes, so that neighbours of half or bf16 are no race.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "race.h"
#include "race_clocks.h"
#include "race_places.h"
#include "scheduler.h"
#include "settings.h"

namespace emulator::race {
namespace {

struct Past {
    Moment moment;
    Origin origin;
    Access access;
    bool happened = false;
};

struct Cell {
    Past written;
    // two readers that are not ordered with each other; more are not needed to find most races
    Past read[2];
    bool initialised = false;
    bool closed = false;
};
constexpr size_t cell_bytes = 2;

struct Region {
    char* start;
    size_t bytes;
    bool shared;
    // offsets between which nothing may be touched, and which have no cells
    size_t closed;
    size_t open_again;
    bool ended = false;
    std::vector<Cell> cells;

    Region(void* memory, size_t size, bool is_shared, size_t from, size_t until)
        : start(static_cast<char*>(memory)),
          bytes(size),
          shared(is_shared),
          closed((from + 1) / cell_bytes * cell_bytes),
          open_again(until),
          cells((size - (until - closed)) / cell_bytes + 1) {}

    bool contains(const char* pointer) const {
        return pointer >= start && pointer < start + bytes;
    }
    bool is_open(size_t from, size_t until) const {
        return until <= closed || from >= open_again;
    }
    size_t cell_of(size_t offset) const {
        return (offset < open_again ? offset : offset - (open_again - closed)) / cell_bytes;
    }
};

std::vector<std::unique_ptr<Region>> device_memory;
/// By block.
std::vector<std::unique_ptr<Region>> shared_memory;
Region* last_found = nullptr;

const char* stacks_start = nullptr;
const char* stacks_end = nullptr;
unsigned threads_of_block = 1;
unsigned blocks_of_cluster = 1;
unsigned running = 0;
bool anybody_runs = false;

Region* found(Region* region) {
    return last_found = region;
}

/// The region is one of device memory, or of shared memory that the running block can reach.
Region* region_of(const char* pointer) {
    if (last_found && last_found->contains(pointer)) return last_found;
    const unsigned own = running / threads_of_block;
    const unsigned first = own / blocks_of_cluster * blocks_of_cluster;
    for (unsigned block = first; block < first + blocks_of_cluster; ++block) {
        if (block >= shared_memory.size() || !shared_memory[block]) continue;
        if (shared_memory[block]->contains(pointer)) return found(shared_memory[block].get());
    }
    for (const auto& region : device_memory) {
        if (region->contains(pointer)) return found(region.get());
    }
    return nullptr;
}

std::string who_is(unsigned thread) {
    const Block& block = *running_block->grid->blocks[thread / threads_of_block];
    return who(block.fibers[thread % threads_of_block], block);
}

const char* name_of(Access access) {
    if (access == Access::read) return "read";
    return access == Access::write ? "write" : "atomic";
}

bool is_atomic(Access access) {
    return access == Access::atomic_read || access == Access::atomic_write;
}

bool is_write(Access access) {
    return access == Access::write || access == Access::atomic_write;
}

[[noreturn]] void end_with(const std::string& said) {
    report(said);
    fail();
}

std::string memory_at(const Region& region, const char* pointer) {
    return text("%s memory (byte %zu of it)", region.shared ? "shared" : "global",
                static_cast<size_t>(pointer - region.start));
}

struct Now {
    Region& region;
    char* pointer;
    Past access;
};

std::string by(const Past& past) {
    return " by " + who_is(past.moment.thread) + " at " + text_of(past.origin);
}

void check_order(const Now& now, const Past& past) {
    if (!past.happened || (is_atomic(past.access) && is_atomic(now.access.access))) return;
    if (happened_before(past.moment, now.access.moment.thread)) return;
    end_with("race on " + memory_at(now.region, now.pointer) + ": " +
             name_of(now.access.access) + by(now.access) + " is not ordered with the " +
             name_of(past.access) + by(past));
}

/// Keeps the read in place of one that is the thread's own or that everybody after it knows of.
void keep_read(Cell& cell, const Past& read) {
    const unsigned thread = read.moment.thread;
    const auto replaceable = [&](const Past& past) {
        return !past.happened || past.moment.thread == thread;
    };
    if (replaceable(cell.read[0])) {
        cell.read[0] = read;
    } else if (replaceable(cell.read[1])) {
        cell.read[1] = read;
    } else {
        cell.read[happened_before(cell.read[0].moment, thread) ? 0 : 1] = read;
    }
}

[[noreturn]] void end_outside(const Now& now) {
    end_with(std::string(name_of(now.access.access)) + " outside of the arrays of " +
             memory_at(now.region, now.pointer) + by(now.access));
}

void check_cell(Cell& cell, const Now& now) {
    const Access access = now.access.access;
    if (cell.closed) {
        end_outside(now);
    }
    if (access != Access::write && !cell.initialised) {
        end_with(std::string(access == Access::read ? "read" : "atomic") + " of " +
                 memory_at(now.region, now.pointer) + " that was never written" + by(now.access));
    }
    check_order(now, cell.written);
    if (!is_write(access)) {
        keep_read(cell, now.access);
        return;
    }
    for (const Past& read : cell.read) check_order(now, read);
    cell.written = now.access;
    cell.initialised = true;
    if (access == Access::write) cell.read[0] = cell.read[1] = {};
}

template <class Change>
void for_cells(Region& region, const char* start, size_t bytes, Change change) {
    const size_t offset = start - region.start;
    const size_t first = region.cell_of(offset);
    const size_t last = region.cell_of(offset + bytes - 1);
    for (size_t i = first; i <= last && i < region.cells.size(); ++i) change(region.cells[i]);
}

}  // namespace

void check(const void* address, size_t bytes, Access access, Origin origin) {
    char* pointer = static_cast<char*>(const_cast<void*>(address));
    if (!anybody_runs || (pointer >= stacks_start && pointer < stacks_end)) return;
    Region* region = region_of(pointer);
    if (!region) return;
    const Now now{*region, pointer, {moment_of(running), origin, access, true}};
    if (region->ended) {
        end_with("access to the shared memory of a block that has exited" + by(now.access));
    }
    const size_t offset = pointer - region->start;
    if (!region->is_open(offset, offset + bytes)) end_outside(now);
    for_cells(*region, pointer, bytes, [&](Cell& cell) { check_cell(cell, now); });
}

bool is_on_stack(const void* pointer) {
    return pointer >= stacks_start && pointer < stacks_end;
}

int running_thread() {
    return anybody_runs ? static_cast<int>(running) : -1;
}

void launch_starts(unsigned blocks, unsigned threads, unsigned cluster) {
    start_clocks(blocks, threads, cluster);
    threads_of_block = threads;
    blocks_of_cluster = cluster;
    last_found = nullptr;
    shared_memory.clear();
    shared_memory.resize(blocks);
    // a launch comes after everything in the launches before
    for (const auto& region : device_memory) {
        for (Cell& cell : region->cells) cell.written = cell.read[0] = cell.read[1] = {};
    }
}

void stacks_are(const char* start, size_t bytes) {
    stacks_start = start;
    stacks_end = start + bytes;
}

void block_starts(unsigned block, unsigned char* memory, size_t bytes, size_t closed,
                  size_t open_again) {
    last_found = nullptr;
    // blocks that run one after another have the same memory
    for (auto& region : shared_memory) {
        if (region && region->contains(reinterpret_cast<char*>(memory))) region.reset();
    }
    shared_memory[block] = std::make_unique<Region>(memory, bytes, true, closed, open_again);
}

void block_ends(unsigned block) {
    if (shared_memory[block]) shared_memory[block]->ended = true;
}

void memory_added(void* start, size_t bytes) {
    device_memory.push_back(std::make_unique<Region>(start, bytes, false, bytes, bytes));
}

void memory_removed(void* start) {
    last_found = nullptr;
    const auto same_start = [&](const auto& region) { return region->start == start; };
    device_memory.erase(std::find_if(device_memory.begin(), device_memory.end(), same_start));
}

void host_wrote(void* start, size_t bytes) {
    if (Region* region = region_of(static_cast<char*>(start))) {
        const char* from = static_cast<char*>(start);
        for_cells(*region, from, bytes, [](Cell& cell) { cell.initialised = true; });
    }
}

void close(void* start, size_t bytes) {
    if (Region* region = region_of(static_cast<char*>(start))) {
        const char* from = static_cast<char*>(start);
        for_cells(*region, from, bytes, [](Cell& cell) { cell.closed = true; });
    }
}

void runs(unsigned block, unsigned thread) {
    running = block * threads_of_block + thread;
    anybody_runs = true;
}

void nobody_runs() {
    anybody_runs = false;
}

}  // namespace emulator::race
