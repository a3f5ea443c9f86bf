// A right kernel in which nothing can be left out: every barrier, fence and wait is there for a
// reason, but one, which says so.
#include <cooperative_groups.h>
#include <cuda_pipeline_primitives.h>

#include "entry.h"

namespace cg = cooperative_groups;

__device__ unsigned arrived;

/// Blocks meet by a counter.
__device__ void own_barrier(unsigned goal) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        atomicAdd(&arrived, 1u);
        while (atomicAdd(&arrived, 0u) < goal) __nanosleep(20);
        __threadfence();
    }
    __syncthreads();
}

/// results[0..256) by 4 blocks of 64 threads, results[256..512) for what they hand on.
__global__ void relay(float* results) {
    __shared__ __align__(16) float kept[64];
    __shared__ float swapped[64];
    auto grid = cg::this_grid();
    const int i = threadIdx.x;
    const int first = blockIdx.x * 64;
    const int next = (blockIdx.x + 1) % gridDim.x * 64;
    float* handed = results + 256;
    if (first + i == 0) arrived = 0;
    results[first + i] = first + i;
    grid.sync();
    if (i < 16) __pipeline_memcpy_async(&kept[i * 4], &results[next + i * 4], 16);
    __pipeline_commit();
    __pipeline_wait_prior(0);
    __syncthreads();
    handed[first + i] = kept[63 - i];
    own_barrier(gridDim.x);
    swapped[i] = handed[next + 63 - i];
    __syncwarp();
    results[first + i] = swapped[i ^ 1];
    // the kernel ends here: no test can show that the barrier is superfluous
    __syncthreads();
}
ENTRY(relay, 4, 64, 0, true)
