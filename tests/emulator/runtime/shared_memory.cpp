// Finds, fills and closes the shared memory of blocks.
#include "shared_memory.h"

#include <link.h>

#include <cstring>

#include "race.h"

#ifdef EMULATOR_ASAN
#include <sanitizer/asan_interface.h>
#endif

// the one dynamic array: every `extern __shared__ T grugen_smem[];` is this
constexpr size_t dynamic_bytes = 256 << 10;
alignas(1024) thread_local unsigned char grugen_smem[dynamic_bytes];

namespace emulator {

// the runtime is not instrumented, so that the sanitizer's own macros do nothing here
#ifdef EMULATOR_ASAN
static void forbid(void* start, size_t bytes) {
    __asan_poison_memory_region(start, bytes);
}
static void permit(void* start, size_t bytes) {
    __asan_unpoison_memory_region(start, bytes);
}
#else
static void forbid(void*, size_t) {}
static void permit(void*, size_t) {}
#endif

struct Found {
    unsigned char* start;
    size_t bytes;
};

static int take_if_own(dl_phdr_info* info, size_t, void* data) {
    auto* start = static_cast<unsigned char*>(info->dlpi_tls_data);
    for (int i = 0; start && i < info->dlpi_phnum; ++i) {
        const ElfW(Phdr) & segment = info->dlpi_phdr[i];
        if (segment.p_type != PT_TLS) continue;
        if (grugen_smem >= start && grugen_smem < start + segment.p_memsz) {
            *static_cast<Found*>(data) = {start, segment.p_memsz};
            return 1;
        }
    }
    return 0;
}

/// All thread-local variables of the library, of this thread.
static Found find_thread_local() {
    // the first access makes them
    *static_cast<volatile unsigned char*>(grugen_smem) = poison;
    // each thread has them in the same order, and looking for them means to look at all libraries
    static const Found first = [] {
        Found found{};
        dl_iterate_phdr(take_if_own, &found);
        return found;
    }();
    static const ptrdiff_t in_front = grugen_smem - first.start;
    return {grugen_smem - in_front, first.bytes};
}

HostVariables::HostVariables() {
    const Found found = find_thread_local();
    permit(found.start, found.bytes);
    before.assign(found.start, grugen_smem);
    behind.assign(grugen_smem + dynamic_bytes, found.start + found.bytes);
}

HostVariables::~HostVariables() {
    const Found found = find_thread_local();
    permit(found.start, found.bytes);
    memcpy(found.start, before.data(), before.size());
    memcpy(grugen_smem + dynamic_bytes, behind.data(), behind.size());
}

static void fill(unsigned char* start, const unsigned char* end) {
    if (end > start) memset(start, poison, end - start);
}

void give_shared_memory(Block& block) {
    const Found found = find_thread_local();
    block.shared = found.start;
    block.shared_bytes = found.bytes;
    permit(block.shared, block.shared_bytes);
    unsigned char* dynamic = grugen_smem;
    unsigned char* used_end = dynamic + block.grid->launch.shared_bytes;
    unsigned char* dynamic_end = block.shared + (dynamic - block.shared) + dynamic_bytes;
    fill(block.shared, used_end);
    fill(dynamic_end, block.shared + block.shared_bytes);
    forbid(used_end, dynamic_end - used_end);
    race::block_starts(block.number, block.shared, block.shared_bytes, used_end - block.shared,
                       dynamic_end - block.shared);
}

void end_shared_memory(Block& block) {
    permit(block.shared, block.shared_bytes);
    memset(block.shared, poison, block.shared_bytes);
    race::block_ends(block.number);
}

void open_shared_memory() {
    permit(grugen_smem, dynamic_bytes);
}

void clean_stacks(char* stacks, size_t bytes) {
    permit(stacks, bytes);
}

void close_gap(void* gap) {
    forbid(gap, shared_gap);
    if (shared_gap) race::close(gap, shared_gap);
}

void* map_shared(void* pointer, unsigned rank, Site site) {
    Block& block = *running_block;
    if (rank >= cluster_size()) {
        fail_at(site, "map_shared_rank: a cluster of %u blocks has no block %u", cluster_size(),
                rank);
    }
    const Block& other = *block.grid->blocks[block.number - cluster_rank() + rank];
    const size_t offset = static_cast<unsigned char*>(pointer) - block.shared;
    if (offset >= block.shared_bytes) {
        fail_at(site, "map_shared_rank of a pointer that is no shared memory");
    }
    return other.shared + offset;
}

unsigned cluster_size() {
    return count(running_block->grid->launch.cluster);
}

unsigned cluster_rank() {
    return running_block->number % cluster_size();
}

}  // namespace emulator
