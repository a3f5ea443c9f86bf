// Cooperative kernels of 4 blocks, each with a bug; `at NAME` marks the lines to be reported.
#include <cooperative_groups.h>

#include "entry.h"

namespace cg = cooperative_groups;

// blocks of a launch that do not meet
__global__ void two_writers(float* results) {
    for (int i = threadIdx.x; i < 512; i += 64) {
        results[i] = blockIdx.x;  // at two_writers
    }
}
ENTRY(two_writers, 4)

__device__ int number() {
    return blockIdx.x * 64 + threadIdx.x;
}

__global__ void no_grid_sync(float* results) {
    const int i = number();
    results[i] = i;                          // at no_grid_sync
    results[256 + i] = results[i ^ 64] + 0;  // at no_grid_sync
}
ENTRY(no_grid_sync, 4, 64, 0, true)

__global__ void some_blocks(float* results) {
    const int i = number();
    results[i] = i;
    if (blockIdx.x != 2) cg::this_grid().sync();  // at some_blocks
    results[256 + i] = i;
}
ENTRY(some_blocks, 4, 64, 0, true)

__global__ void two_barriers(float* results) {
    const int i = number();
    results[i] = i;
    if (blockIdx.x < 2) {
        cg::this_grid().sync();  // at two_barriers
    } else {
        cg::this_grid().sync();  // at two_barriers
    }
}
ENTRY(two_barriers, 4, 64, 0, true)

__global__ void not_cooperative(float* results) {
    results[number()] = 0;
    cg::this_grid().sync();  // at not_cooperative
}
ENTRY(not_cooperative, 4)

__device__ unsigned arrived;

template <bool Before, bool After>
__device__ void own_barrier(unsigned goal) {
    __syncthreads();
    if (threadIdx.x == 0) {
        if (Before) __threadfence();
        atomicAdd(&arrived, 1u);
        while (atomicAdd(&arrived, 0u) < goal) __nanosleep(20);
        if (After) __threadfence();
    }
    __syncthreads();
}

__global__ void own_barrier_right(float* results) {
    const int i = number();
    if (i == 0) arrived = 0;
    cg::this_grid().sync();
    results[i] = i;
    own_barrier<true, true>(gridDim.x);
    results[256 + i] = results[i ^ 64];
}
ENTRY(own_barrier_right, 4, 64, 0, true)

// a lane arrives for its warp, whose lanes have met
__global__ void a_lane_for_its_warp(float* results) {
    const int i = number();
    if (i == 0) arrived = 0;
    cg::this_grid().sync();
    results[i] = i;
    __syncwarp();
    if (i % 32 == 0) {
        __threadfence();
        atomicAdd(&arrived, 1u);
        while (atomicAdd(&arrived, 0u) < 8) __nanosleep(20);
        __threadfence();
    }
    __syncthreads();
    results[256 + i] = results[i ^ 64];
}
ENTRY(a_lane_for_its_warp, 4, 64, 0, true)

__global__ void no_fence_before(float* results) {
    const int i = number();
    if (i == 0) arrived = 0;
    cg::this_grid().sync();
    results[i] = i;  // at no_fence_before
    own_barrier<false, true>(gridDim.x);
    results[256 + i] = results[i ^ 64];  // at no_fence_before
}
ENTRY(no_fence_before, 4, 64, 0, true)

__global__ void no_fence_after(float* results) {
    const int i = number();
    if (i == 0) arrived = 0;
    cg::this_grid().sync();
    results[i] = i;  // at no_fence_after
    own_barrier<true, false>(gridDim.x);
    results[256 + i] = results[i ^ 64];  // at no_fence_after
}
ENTRY(no_fence_after, 4, 64, 0, true)

__device__ unsigned flags[256];

// a flag without order says nothing about what was written before it
__global__ void relaxed_flag(float* results) {
    const int i = number();
    flags[i] = 0;
    cg::this_grid().sync();
    results[i] = i;  // at relaxed_flag
    emulator::store_relaxed(&flags[i], 1u);
    while (emulator::load_relaxed(&flags[i ^ 64]) == 0) __nanosleep(20);
    results[256 + i] = results[i ^ 64];  // at relaxed_flag
}
ENTRY(relaxed_flag, 4, 64, 0, true)

// a release says nothing about what is written after it
__global__ void after_release(float* results) {
    const int i = number();
    flags[i] = 0;
    cg::this_grid().sync();
    emulator::store_release(&flags[i], 1u);
    while (emulator::load_acquire(&flags[i ^ 64]) == 0) __nanosleep(20);
    results[i] = i;  // at after_release
    emulator::store_relaxed(&flags[i], 2u);
    while (emulator::load_relaxed(&flags[i ^ 64]) < 2) __nanosleep(20);
    results[256 + i] = results[i ^ 64];  // at after_release
}
ENTRY(after_release, 4, 64, 0, true)

// but the next release of the same thread does
__global__ void released_twice(float* results) {
    const int i = number();
    flags[i] = 0;
    cg::this_grid().sync();
    for (unsigned round = 1; round <= 2; ++round) {
        if (round == 2) results[i] = i;
        emulator::store_release(&flags[i], round);
        while (emulator::load_acquire(&flags[i ^ 64]) < round) __nanosleep(20);
    }
    results[256 + i] = results[i ^ 64];
}
ENTRY(released_twice, 4, 64, 0, true)

__global__ void waits_for_nobody(float* results) {
    results[number()] = 0;
    if (threadIdx.x) return;
    while (atomicAdd(&results[number()], 0.0f) != 12345) {  // at waits_for_nobody
    }
}
ENTRY(waits_for_nobody, 4, 64, 0, true)
