// The regions of memory that are watched, and who runs.
#include "race_regions.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include <sys/mman.h>

#include "race.h"
#include "state.h"

namespace emulator::race {
namespace {

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

}  // namespace

Cells::Cells(size_t count) : _count(count) {
    // pages of zeros, one by one as they are touched
    void* mapped = mmap(nullptr, count * sizeof(Cell), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) {
        perror("emulator: no memory to watch memory");
        abort();
    }
    _first = static_cast<Cell*>(mapped);
}

Cells::~Cells() {
    munmap(_first, _count * sizeof(Cell));
}

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
    return who(thread % threads_of_block, block);
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
