// What the emulator's CUDA headers ask of its runtime.
#pragma once

#include <vector_types.h>

#include <cstddef>
#include <cstdint>

/// Defined where the emulator compiles, for the few lines of a kernel that must know.
#define GRUGEN_EMULATOR 1

/// As a default argument: the place that calls.
#define EMULATOR_HERE ::emulator::Site::here()

/// Loads and stores of these functions are seen at the kernel's own line.
#define EMULATOR_INLINE __attribute__((always_inline)) inline

namespace emulator {

/// A line of a kernel.
struct Site {
    const char* file;
    int line;

    // the builtins must be defaults of this function: as defaults of its callers' parameters they
    // would give the header's line
    static constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        return {file, line};
    }
};

/// Ends the launch with a message: the text, the thread and the place.
[[noreturn]] void fail_at(Site site, const char* format, ...) __attribute__((format(printf, 2, 3)));

// barriers
enum class Reduction { none, count, all, any };
void sync_block(Site site);
int sync_block_reduce(int predicate, Reduction reduction, Site site);
void sync_grid(Site site);
void sync_cluster(Site site);
void fence();

/// Called where a thread may wait for others in a loop. `changed`: it wrote something that others
/// may wait for, so that this is no sign of an endless loop.
void let_others_run(bool changed, Site site);

/// Work that the last lane to arrive does for all: by lane what each one gave, null if absent.
using WarpWork = void (*)(void** lanes, unsigned mask);

/// All lanes of `mask` meet, the last one does `work`, then all go on.
void warp_together(unsigned mask, void* mine, WarpWork work, const char* name, Site site);
unsigned lane_number();
unsigned lanes_alive();

// clusters
void* map_shared(void* pointer, unsigned rank, Site site);
unsigned cluster_rank();
unsigned cluster_size();

// asynchronous copies
void copy_async(void* to, const void* from, size_t bytes, size_t zeros, Site site);
void commit_copies();
void wait_for_copies(unsigned prior, Site site);

/// What a text that carves dynamic shared memory leaves between two arrays, and closes.
#if defined(EMULATOR_ASAN) || defined(EMULATOR_RACE)
constexpr size_t shared_gap = 32;
#else
constexpr size_t shared_gap = 0;
#endif
/// The `shared_gap` bytes at `gap`, 8-byte aligned, are no longer for use by this block.
void close_gap(void* gap);

/// Memory orders, for one-instruction helpers whose other body is PTX.
struct Ordering {
    bool acquires;
    bool releases;
};
/// An atomic access of `bytes` at `pointer`, seen by the race detector alone.
#ifdef EMULATOR_RACE
void atomic_access(void* pointer, size_t bytes, Ordering ordering, bool reads, bool writes,
                   Site site);
#else
inline void atomic_access(void*, size_t, Ordering, bool, bool, Site) {}
#endif

struct Launch {
    const void* kernel;
    dim3 grid;
    dim3 block;
    dim3 cluster;
    size_t shared_bytes;
    bool cooperative;
};
struct Argument {
    const void* start;
    size_t bytes;
};
/// Calls a kernel with arguments of its types that are at these places.
using Caller = void (*)(const void* kernel, const void* const* arguments);

/// Runs `launch.kernel` in each thread, or records it where the stream is being captured. Arguments
/// are copied byte by byte, and their words may be pointers.
int launch(const Launch& launch, void* stream, Caller caller, const Argument* arguments,
           size_t count);

}  // namespace emulator
