// Asynchronous copies, each with a bug; `at NAME` marks the lines to be reported.
#include <cuda_pipeline_primitives.h>

#include "entry.h"

__global__ void copied(float* results) {
    __shared__ __align__(16) float kept[64];
    const int i = threadIdx.x;
    results[i] = i;
    __syncthreads();
    if (i < 16) __pipeline_memcpy_async(&kept[i * 4], &results[i * 4], 16);
    __pipeline_commit();
    __pipeline_wait_prior(0);
    __syncthreads();
    results[i] = kept[63 - i];
}
ENTRY(copied)

__global__ void no_wait(float* results) {
    __shared__ __align__(16) float kept[64];
    const int i = threadIdx.x;
    results[i] = i;
    __syncthreads();
    if (i < 16) __pipeline_memcpy_async(&kept[i * 4], &results[i * 4], 16);  // at no_wait
    __pipeline_commit();
    __syncthreads();
    const float value = kept[i];  // at no_wait
    __pipeline_wait_prior(0);
    __syncthreads();
    results[i] = value;
}
ENTRY(no_wait)

__global__ void wait_without_barrier(float* results) {
    __shared__ __align__(16) float kept[64];
    const int i = threadIdx.x;
    results[i] = i;
    __syncthreads();
    if (i < 16)
        __pipeline_memcpy_async(&kept[i * 4], &results[i * 4], 16);  // at wait_without_barrier
    __pipeline_commit();
    __pipeline_wait_prior(0);
    results[i] = kept[i];  // at wait_without_barrier
}
ENTRY(wait_without_barrier)

__global__ void exits_with_copies(float* results) {
    __shared__ __align__(16) float kept[64];
    const int i = threadIdx.x;
    results[i] = i;
    __pipeline_memcpy_async(&kept[i], &results[i], 4);  // at exits_with_copies
    __pipeline_commit();
}
ENTRY(exits_with_copies)

__global__ void misaligned(float* results) {
    __shared__ __align__(16) float kept[68];
    const int i = threadIdx.x;
    results[i] = i;
    __syncthreads();
    if (i == 0) __pipeline_memcpy_async(&kept[1], &results[0], 16);  // at misaligned
    __pipeline_commit();
    __pipeline_wait_prior(0);
}
ENTRY(misaligned)

__global__ void wrong_size(float* results) {
    __shared__ __align__(16) float kept[64];
    const int i = threadIdx.x;
    results[i] = i;
    __syncthreads();
    // nvcc's header traps the device where it cannot see the size
    if (i == 0)
        __pipeline_memcpy_async(&kept[0], &results[0], 4 + 8 * blockDim.y);  // at wrong_size
    __pipeline_commit();
    __pipeline_wait_prior(0);
}
ENTRY(wrong_size)
