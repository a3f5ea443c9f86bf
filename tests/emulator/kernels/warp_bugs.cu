// Kernels of two warps, each with a bug; `at NAME` marks the lines to be reported.
#include "entry.h"

__global__ void no_syncwarp(float* results) {
    __shared__ float kept[64];
    const int i = threadIdx.x;
    kept[i] = i;
    results[i] = kept[i ^ 1];  // at no_syncwarp
}
ENTRY(no_syncwarp)

__global__ void absent_lanes(float* results) {
    const int i = threadIdx.x;
    float value = i;
    if (i % 32 < 16) value = __shfl_xor_sync(~0u, value, 1);  // at absent_lanes
    results[i] = value;
}
ENTRY(absent_lanes)

__global__ void exited_lanes(float* results) {
    const int i = threadIdx.x;
    results[i] = i;
    if (i % 32 > 20) return;
    results[i] = __shfl_xor_sync(~0u, results[i], 1);  // at exited_lanes
}
ENTRY(exited_lanes)

__global__ void outside_of_mask(float* results) {
    const int i = threadIdx.x;
    results[i] = __ballot_sync(0xffffu, i & 1);  // at outside_of_mask
}
ENTRY(outside_of_mask)

__global__ void overlapping_masks(float* results) {
    const int i = threadIdx.x;
    const unsigned mask = i % 32 < 16 ? ~0u : 0xffff0000u;
    results[i] = __ballot_sync(mask, i & 1);  // at overlapping_masks
}
ENTRY(overlapping_masks)

__global__ void different_operations(float* results) {
    const int i = threadIdx.x;
    if (i % 2) {
        __syncwarp();  // at different_operations
    } else {
        results[i] = __shfl_sync(~0u, i, 0);  // at different_operations
    }
}
ENTRY(different_operations)

__global__ void reads_absent_lane(float* results) {
    const int i = threadIdx.x;
    if (i % 32 < 8) results[i] = __shfl_sync(0xffu, i, 9);  // at reads_absent_lane
}
ENTRY(reads_absent_lane)
