// Clusters of 4 blocks that read each other's shared memory; `at NAME` marks the lines to be
// reported.
#include <cooperative_groups.h>

#include "entry.h"

namespace cg = cooperative_groups;

template <bool Before, bool After>
__device__ void read_neighbour(float* results) {
    __shared__ float kept[32];
    auto cluster = cg::this_cluster();
    const int i = threadIdx.x;
    kept[i] = blockIdx.x * 100 + i;
    if (Before) cluster.sync();
    const unsigned next = (cluster.block_rank() + 1) % cluster.num_blocks();
    const float* theirs = cluster.map_shared_rank(kept, next);
    results[blockIdx.x * 32 + i] = theirs[i];  // at no_sync_before  // at no_sync_after
    if (After) cluster.sync();
}

__global__ void neighbours(float* results) {
    read_neighbour<true, true>(results);
}
ENTRY(neighbours, 8, 32, 0, false, 4)

__global__ void no_sync_before(float* results) {
    read_neighbour<false, true>(results);
}
ENTRY(no_sync_before, 8, 32, 0, false, 4)

__global__ void no_sync_after(float* results) {
    read_neighbour<true, false>(results);
}
ENTRY(no_sync_after, 8, 32, 0, false, 4)

__global__ void too_far(float* results) {
    __shared__ float kept[32];
    kept[threadIdx.x] = 0;
    cg::this_cluster().sync();
    const float* theirs = cg::this_cluster().map_shared_rank(kept, 4);  // at too_far
    results[blockIdx.x * 32 + threadIdx.x] = *theirs;
    cg::this_cluster().sync();
}
ENTRY(too_far, 8, 32, 0, false, 4)

__global__ void one_leaves(float* results) {
    results[blockIdx.x * 32 + threadIdx.x] = 0;
    if (blockIdx.x == 5) return;
    cg::this_cluster().sync();  // at one_leaves
}
ENTRY(one_leaves, 8, 32, 0, false, 4)
