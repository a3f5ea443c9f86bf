// A workspace on the device that is carved up, and how kernels are started.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include <utility>

// Memory to be carved up: `used` bytes are handed out.
struct grugen_arena {
    char *base;
    int64_t used;
};

__host__ __device__ inline void *grugen_take(grugen_arena *arena, int64_t bytes)
{
    char *const start = arena->base + arena->used;
    arena->used += (bytes + 127) / 128 * 128;
    return start;
}

// Memory that is only counted: nobody reads or writes there. A choice in `grugen_take` instead would
// hide from the compiler which pointers are to shared memory.
static inline grugen_arena grugen_counting() { return {reinterpret_cast<char *>(128), 0}; }

// Elements from row to row of our own memory: rows begin where four elements can be read at once.
__host__ __device__ inline int grugen_padded(int units) { return (units + 3) & ~3; }

__host__ __device__ inline int64_t grugen_larger(int64_t a, int64_t b) { return a > b ? a : b; }

// Zeros to the memory that was carved up, by `size` threads together.
__device__ inline void grugen_clear(const grugen_arena &arena, int rank, int size)
{
    for (int64_t item = rank; item < arena.used / (int64_t)sizeof(int64_t); item += size) {
        reinterpret_cast<int64_t *>(arena.base)[item] = 0;
    }
}

// Have an element of global memory brought to the L2 cache.
__device__ inline void grugen_hint([[maybe_unused]] const void *element)
{
#ifndef GRUGEN_EMULATOR
    asm volatile("prefetch.global.L2 [%0];" : : "l"(element));
#endif
}

// Memory that changes places with another.
template <class Element>
__host__ __device__ inline void grugen_swap(Element **a, Element **b)
{
    Element *const first = *a;
    *a = *b;
    *b = first;
}

// One of two types.
template <bool FIRST, class A, class B>
struct grugen_choice {
    using type = A;
};

template <class A, class B>
struct grugen_choice<false, A, B> {
    using type = B;
};

// In the place of something that there is not.
struct grugen_nothing {};

// What a pointer points to.
template <class Pointer>
struct grugen_pointed;

template <class Element>
struct grugen_pointed<const Element *> {
    using type = Element;
};

// Leave the function with the first error.
#define GRUGEN_TRY(call) \
    do { \
        const cudaError_t grugen_error = (call); \
        if (grugen_error != cudaSuccess) { return grugen_error; } \
    } while (0)

// How a kernel is started: blocks of threads, shared memory for each block, whether all blocks must
// run at the same time because they wait for each other, and how many form a cluster, if any do.
struct grugen_launch {
    dim3 blocks;
    int threads;
    int64_t shared;
    bool together;
    cudaStream_t stream;
    int cluster = 0;
};

// Bytes of shared memory that every block may have; more is to be asked for.
enum { GRUGEN_SHARED_UNASKED = 48 * 1024 };

template <class... Parameters, class... Arguments>
static inline cudaError_t
grugen_start(void (*kernel)(Parameters...), const grugen_launch launch, Arguments &&...arguments)
{
    if (launch.shared > GRUGEN_SHARED_UNASKED) {
        GRUGEN_TRY(cudaFuncSetAttribute(
            kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)launch.shared));
    }
    cudaLaunchConfig_t config = {};
    config.gridDim = launch.blocks;
    config.blockDim = dim3((unsigned)launch.threads);
    config.dynamicSmemBytes = (size_t)launch.shared;
    config.stream = launch.stream;
    cudaLaunchAttribute attributes[1];
    attributes[0].id = cudaLaunchAttributeCooperative;
    attributes[0].val.cooperative = launch.together;
    config.attrs = attributes;
    config.numAttrs = launch.together ? 1 : 0;
    if (launch.cluster > 1) {
        attributes[0].id = cudaLaunchAttributeClusterDimension;
        attributes[0].val.clusterDim.x = (unsigned)launch.cluster;
        attributes[0].val.clusterDim.y = 1;
        attributes[0].val.clusterDim.z = 1;
        config.numAttrs = 1;
    }
    return cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...);
}

// A build that looks where time goes gives this a body: from here on, time on the stream belongs to
// `name`; to nothing if that is NULL.
#ifndef GRUGEN_MARK
#define GRUGEN_MARK(stream, name) ((void)0)
#endif
