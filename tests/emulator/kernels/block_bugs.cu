// Kernels of one block of 64 threads, each with a bug; `at NAME` marks the lines to be reported.
#include "entry.h"

__global__ void right(float* results) {
    __shared__ float kept[64];
    const int i = threadIdx.x;
    kept[i] = i;
    __syncthreads();
    results[i] = kept[63 - i];
}
ENTRY(right)

__global__ void unordered_read(float* results) {
    __shared__ float kept[64];
    const int i = threadIdx.x;
    kept[i] = i;
    results[i] = kept[63 - i];  // at unordered_read
}
ENTRY(unordered_read)

// right when threads run in the order of their numbers
__global__ void hidden_read(float* results) {
    __shared__ float kept[64];
    const int i = threadIdx.x;
    kept[i] = i;                           // at hidden_read
    results[i] = i ? kept[i - 1] + 1 : 0;  // at hidden_read
}
ENTRY(hidden_read)

__global__ void early_write(float* results) {
    __shared__ float kept[64];
    const int i = threadIdx.x;
    kept[i] = i;
    __syncthreads();
    const float next = kept[(i + 1) % 64];  // at early_write
    kept[i] = -1;                           // at early_write
    results[i] = next;
}
ENTRY(early_write)

// right when threads run in the order of their numbers: each reads before the next one writes
__global__ void hidden_write(float* results) {
    __shared__ float kept[65];
    const int i = threadIdx.x;
    kept[i + 1] = i + 1;
    if (i == 0) kept[0] = 0;
    __syncthreads();
    const float next = kept[i + 1];  // at hidden_write
    kept[i] = -1;                    // at hidden_write
    results[i] = next;
}
ENTRY(hidden_write)

__global__ void lost_update(float* results) {
    __shared__ float total;
    const int i = threadIdx.x;
    if (i == 0) total = 0;
    __syncthreads();
    total += 1;  // at lost_update
    __syncthreads();
    results[i] = total;
}
ENTRY(lost_update)

__global__ void divergent(float* results) {
    const int i = threadIdx.x;
    if (i < 32) {
        __syncthreads();  // at divergent
    } else {
        __syncthreads();  // at divergent
    }
    results[i] = i;
}
ENTRY(divergent)

__global__ void early_exit(float* results) {
    const int i = threadIdx.x;
    results[i] = i;
    if (i == 5) return;
    __syncthreads();  // at early_exit
}
ENTRY(early_exit)

__global__ void first_exits(float* results) {
    const int i = threadIdx.x;
    results[i] = i;
    if (i == 0) return;
    __syncthreads();  // at first_exits
}
ENTRY(first_exits)

__global__ void mixed_wait(float* results) {
    const int i = threadIdx.x;
    if (i == 40) {
        __syncwarp(3u << 8);  // at mixed_wait
    } else {
        __syncthreads();  // at mixed_wait
    }
    results[i] = i;
}
ENTRY(mixed_wait)

__global__ void never_written(float* results) {
    __shared__ float kept[65];
    const int i = threadIdx.x;
    kept[i] = i;
    __syncthreads();
    results[i] = i + 0 * kept[i + 1];  // at never_written
}
ENTRY(never_written)

__global__ void never_written_global(float* results) {
    const int i = threadIdx.x;
    results[i] += i;  // at never_written_global
}
ENTRY(never_written_global)

__global__ void trapped(float* results) {
    results[threadIdx.x] = 0;
    if (threadIdx.x == 7) __trap();  // at trapped
}
ENTRY(trapped)
