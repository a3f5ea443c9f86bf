// Blocks of a cluster that share the units of their sequences: each has all vectors in its own shared
// memory, and writes what it computes of them to that of the others, too.
#pragma once

#include <cuda_runtime.h>

#include "grugen_memory.cuh"
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

enum {
    GRUGEN_CLUSTER_SIZES = 5, // powers of two: 16 blocks are the most that some devices have room for
    GRUGEN_PORTABLE_CLUSTER = 8, // more must be asked for
};

// The GPUs that this is compiled for, as 900 is sm_90.
#ifdef __CUDA_ARCH_LIST__
static constexpr int GRUGEN_COMPILED_FOR[] = {__CUDA_ARCH_LIST__};
#else
static constexpr int GRUGEN_COMPILED_FOR[] = {900};
#endif

// A block that has a processor to itself.
static __global__ void grugen_large_block_kernel() {}

// How many clusters of 1, 2, 4 .. blocks run at the same time if each block takes a processor; none
// where the device or what was compiled for it knows no clusters.
static inline cudaError_t
grugen_count_clusters(int number, int threads, int shared, int (&counts)[GRUGEN_CLUSTER_SIZES])
{
    int major = 0, minor = 0, has_clusters = 0, latest = 0;
    GRUGEN_TRY(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, number));
    GRUGEN_TRY(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, number));
    GRUGEN_TRY(cudaDeviceGetAttribute(&has_clusters, cudaDevAttrClusterLaunch, number));
    // of what was compiled, the device runs the latest that it can
    for (const int gpu : GRUGEN_COMPILED_FOR) {
        if (gpu <= 100 * major + 10 * minor && gpu > latest) { latest = gpu; }
    }
    for (int &count : counts) { count = 0; }
    if (has_clusters == 0 || latest < 900) { return cudaSuccess; }
    auto *const kernel = grugen_large_block_kernel;
    GRUGEN_TRY(cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1));
    GRUGEN_TRY(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared));
    for (int size = 0; size < GRUGEN_CLUSTER_SIZES; ++size) {
        cudaLaunchAttribute attribute = {};
        attribute.id = cudaLaunchAttributeClusterDimension;
        attribute.val.clusterDim.x = 1u << size;
        attribute.val.clusterDim.y = 1;
        attribute.val.clusterDim.z = 1;
        cudaLaunchConfig_t config = {};
        config.gridDim = dim3(1u << size);
        config.blockDim = dim3((unsigned)threads);
        config.dynamicSmemBytes = (size_t)shared;
        config.attrs = &attribute;
        config.numAttrs = 1;
        if (cudaOccupancyMaxActiveClusters(&counts[size], kernel, &config) != cudaSuccess) {
            // it has no room for one; that is no error of the next call
            counts[size] = 0;
            (void)cudaGetLastError();
        }
    }
    return cudaSuccess;
}
