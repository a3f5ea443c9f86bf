// Blocks of a cluster that share the units of their sequences: each has all vectors in its own
// shared memory, and sends what it computes of them to the others, too.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include "grugen_memory.cuh"
#include "grugen_team.cuh"

// Whether there are clusters where this is compiled for.
#if defined(GRUGEN_EMULATOR) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
#define GRUGEN_HAS_CLUSTERS 1
#else
#define GRUGEN_HAS_CLUSTERS 0
#endif

// Go on when all threads of the cluster are here; what each wrote before, all see after. That waits
// for whatever they wrote to global memory, too: steps do without it.
__device__ inline void grugen_meet_cluster()
{
#ifdef GRUGEN_EMULATOR
    emulator::sync_cluster(emulator::Site::here());
#elif GRUGEN_HAS_CLUSTERS
    asm volatile("barrier.cluster.arrive.release.aligned;" : : : "memory");
    asm volatile("barrier.cluster.wait.acquire.aligned;" : : : "memory");
#endif
}

// What a block waits for: so many warps have told how many bytes they have sent, and as many have
// come. In shared memory; on a device it is an mbarrier.
struct grugen_inbox {
#ifdef GRUGEN_EMULATOR
    unsigned told, sent, come;
#else
    uint64_t barrier;
#endif
};

__device__ inline void grugen_open([[maybe_unused]] grugen_inbox *inbox, [[maybe_unused]] int warps)
{
#ifdef GRUGEN_EMULATOR
    *inbox = {};
#elif GRUGEN_HAS_CLUSTERS
    const unsigned at = (unsigned)__cvta_generic_to_shared(&inbox->barrier);
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" : : "r"(at), "r"(warps) : "memory");
    asm volatile("fence.mbarrier_init.release.cluster;" : : : "memory");
#endif
}

// Where block `rank` of the cluster has what is at `own` in this block's shared memory.
#ifdef GRUGEN_EMULATOR
template <class Memory>
__device__ inline Memory *grugen_of_block(Memory *own, int rank)
{
    return static_cast<Memory *>(
        emulator::map_shared(own, (unsigned)rank, emulator::Site::here()));
}
#elif GRUGEN_HAS_CLUSTERS
__device__ inline unsigned grugen_of_block(const void *own, int rank)
{
    unsigned there;
    const unsigned here = (unsigned)__cvta_generic_to_shared(own);
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(here), "r"(rank));
    return there;
}
#endif

// Write an element to where block `rank` has it; it comes to that block's inbox.
__device__ inline void grugen_send(
    [[maybe_unused]] GRUGEN_REAL *element,
    [[maybe_unused]] GRUGEN_REAL value,
    [[maybe_unused]] grugen_inbox *inbox,
    [[maybe_unused]] int rank)
{
#ifdef GRUGEN_EMULATOR
    const unsigned bytes = sizeof(GRUGEN_REAL);
    *grugen_of_block(element, rank) = value;
    atomicAdd(grugen_of_block(&inbox->come, rank), bytes);
#elif GRUGEN_HAS_CLUSTERS
    const unsigned there = grugen_of_block(element, rank);
    const unsigned box = grugen_of_block(&inbox->barrier, rank);
    if constexpr (sizeof(GRUGEN_REAL) == 4) {
        asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [%0], %1, [%2];"
                     :
                     : "r"(there), "r"(__float_as_uint((float)value)), "r"(box)
                     : "memory");
    } else {
        asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.b64 [%0], %1, [%2];"
                     :
                     : "r"(there), "l"(__double_as_longlong((double)value)), "r"(box)
                     : "memory");
    }
#endif
}

// Tell block `rank` that this warp has sent it so many bytes, and reads nothing any more of what
// others may write next. Only that and what stands in shared memory is ordered: a scope of the
// cluster would wait for all that was written to global memory.
__device__ inline void grugen_tell(
    [[maybe_unused]] grugen_inbox *inbox,
    [[maybe_unused]] unsigned bytes,
    [[maybe_unused]] int rank)
{
#ifdef GRUGEN_EMULATOR
    atomicAdd(grugen_of_block(&inbox->sent, rank), bytes);
    unsigned *const told = grugen_of_block(&inbox->told, rank);
    emulator::add_release(told, 1u);
#elif GRUGEN_HAS_CLUSTERS
    const unsigned box = grugen_of_block(&inbox->barrier, rank);
    asm volatile("mbarrier.arrive.expect_tx.shared::cluster.b64 _, [%0], %1;"
                 :
                 : "r"(box), "r"(bytes)
                 : "memory");
#endif
}

// Wait until `warps` have told, for the `time`th time, and all they sent has come.
__device__ inline void grugen_receive(
    [[maybe_unused]] grugen_inbox *inbox,
    [[maybe_unused]] int warps,
    [[maybe_unused]] unsigned time)
{
#ifdef GRUGEN_EMULATOR
    const unsigned *const told = &inbox->told;
    // one for all: thousands that ask by turns take long
    if (threadIdx.x == 0) {
        while ((int)(emulator::load_acquire(told) - (time + 1) * (unsigned)warps) < 0 ||
               atomicAdd(&inbox->come, 0u) != atomicAdd(&inbox->sent, 0u)) {}
    }
    __syncthreads();
#elif GRUGEN_HAS_CLUSTERS
    const unsigned at = (unsigned)__cvta_generic_to_shared(&inbox->barrier);
    unsigned is_complete = 0;
    while (is_complete == 0) {
        asm volatile("{\n"
                     ".reg .pred complete;\n"
                     "mbarrier.try_wait.parity.shared::cta.b64 complete, [%1], %2;\n"
                     "selp.u32 %0, 1, 0, complete;\n"
                     "}"
                     : "=r"(is_complete)
                     : "r"(at), "r"(time & 1u)
                     : "memory");
    }
#endif
}

// Two inboxes in turn: a block that goes on sends for the next meeting while others wait for this.
struct grugen_cluster : grugen_team {
    static constexpr bool is_there = GRUGEN_HAS_CLUSTERS;
    static constexpr bool has_vectors = true;

    grugen_inbox *inboxes;
    mutable unsigned sent; // by this thread to each other block, since all met

    __device__ void meet() const { __syncthreads(); }

    __device__ void meet_all()
    {
        grugen_inbox *const inbox = inboxes + met % 2;
        // all threads of the block have read and written before one of them tells. What warps wrote
        // to their own block is ordered by this alone for tools that watch shared memory: they do
        // not follow an arrival from block to block. Of the emulator the sum and the wait are as
        // good as this, so no test can show that a device needs it
        __syncthreads();
        const unsigned bytes = __reduce_add_sync(0xffffffffu, sent);
        if (lane() < parts) { grugen_tell(inbox, lane() == part ? 0 : bytes, lane()); }
        GRUGEN_MEETING_BEGINS
        grugen_receive(inbox, parts * warps(), met / 2);
        GRUGEN_MEETING_ENDS
        sent = 0;
        ++met;
    }

    __device__ void begin(grugen_arena *own)
    {
        inboxes = static_cast<grugen_inbox *>(grugen_take(own, 2 * (int64_t)sizeof(grugen_inbox)));
        sent = 0;
        if (rank < 2) { grugen_open(inboxes + rank, parts * warps()); }
        grugen_meet_cluster();
    }

    __device__ void share(GRUGEN_REAL *element, GRUGEN_REAL value) const
    {
        *element = value;
        sent += (unsigned)sizeof(GRUGEN_REAL);
#pragma unroll 4
        for (int other = 0; other < parts; ++other) {
            if (other != part) { grugen_send(element, value, inboxes + met % 2, other); }
        }
    }

    __device__ void meet_others() { meet_all(); }

    // What others send to a block behind the last meeting must find it.
    __device__ void leave() { meet_all(); }
};

enum {
    GRUGEN_CLUSTER_SIZES = 5, // powers of two: more than 16 blocks no device has room for
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
