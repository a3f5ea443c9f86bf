// Blocks of a cluster that share the units of their sequences: each has all vectors in its own shared
// memory, and writes what it computes of them to that of the others, too.
#pragma once

#include <cuda_runtime.h>

#include "grugen_team.cuh"

// Whether there are clusters where this is compiled for.
#if defined(GRUGEN_EMULATOR) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
#define GRUGEN_HAS_CLUSTERS 1
#else
#define GRUGEN_HAS_CLUSTERS 0
#endif

// Go on when all threads of the cluster are here; what each wrote before, all see after.
__device__ inline void grugen_meet_cluster()
{
#ifdef GRUGEN_EMULATOR
    emulator::sync_cluster(EMULATOR_HERE);
#elif GRUGEN_HAS_CLUSTERS
    asm volatile("barrier.cluster.arrive.release.aligned;" : : : "memory");
    asm volatile("barrier.cluster.wait.acquire.aligned;" : : : "memory");
#endif
}

// Where block `rank` of the cluster has what is at `own` in this block's shared memory.
template <class Element>
__device__ inline Element *grugen_of_block(Element *own, [[maybe_unused]] int rank)
{
#ifdef GRUGEN_EMULATOR
    return static_cast<Element *>(emulator::map_shared(own, (unsigned)rank, EMULATOR_HERE));
#elif GRUGEN_HAS_CLUSTERS
    Element *there;
    asm("mapa.u64 %0, %1, %2;" : "=l"(there) : "l"(own), "r"(rank));
    return there;
#else
    return own;
#endif
}

struct grugen_cluster : grugen_team {
    static constexpr bool is_there = GRUGEN_HAS_CLUSTERS;
    static constexpr bool has_vectors = true;
    static constexpr bool gathers = false;

    __device__ void meet() const { __syncthreads(); }
    __device__ void meet_all() const { grugen_meet_cluster(); }

    __device__ void share(GRUGEN_REAL *element, GRUGEN_REAL value) const
    {
#pragma unroll 4
        for (int other = 0; other < parts; ++other) { *grugen_of_block(element, other) = value; }
    }

    // Memory of a block that has ended is no longer its own. No test can show that this is needed:
    // the emulator keeps it until the last block of the cluster ends.
    __device__ void leave() const { grugen_meet_cluster(); }
};
