// What the runtime tells the race detector; nothing, where the library is built without one.
#pragma once

#include <cstddef>

#include "emulator/interface.h"

namespace emulator::race {

enum class Access { read, write, atomic_read, atomic_write };

#ifdef EMULATOR_RACE

// launches and their memory
void launch_starts(unsigned blocks, unsigned threads, unsigned cluster);
void stacks_are(const char* start, size_t bytes);
/// Bytes [closed, open_again) of the memory are not for use.
void block_starts(unsigned block, unsigned char* shared, size_t bytes, size_t closed,
                  size_t open_again);
void block_ends(unsigned block);
void memory_added(void* start, size_t bytes);
void memory_removed(void* start);
void host_wrote(void* start, size_t bytes);
void close(void* start, size_t bytes);

// who runs
void runs(unsigned block, unsigned thread);
void nobody_runs();

// what orders accesses
void warp_operation(unsigned block, unsigned warp, unsigned lanes);
void block_barrier(unsigned block);
void cluster_barrier(unsigned first, unsigned last);
void grid_barrier();
void fence();

void accessed(const void* pointer, size_t bytes, Access access, Site site);

#else

inline void launch_starts(unsigned, unsigned, unsigned) {}
inline void stacks_are(const char*, size_t) {}
inline void block_starts(unsigned, unsigned char*, size_t, size_t, size_t) {}
inline void block_ends(unsigned) {}
inline void memory_added(void*, size_t) {}
inline void memory_removed(void*) {}
inline void host_wrote(void*, size_t) {}
inline void close(void*, size_t) {}
inline void runs(unsigned, unsigned) {}
inline void nobody_runs() {}
inline void warp_operation(unsigned, unsigned, unsigned) {}
inline void block_barrier(unsigned) {}
inline void cluster_barrier(unsigned, unsigned) {}
inline void grid_barrier() {}
inline void fence() {}
inline void accessed(const void*, size_t, Access, Site) {}

#endif

}  // namespace emulator::race
