// Makes a kernel callable by itself: run_NAME(results, count) launches it on `count` numbers of
// device memory that nobody has written, and copies them back.
#pragma once

#include <cuda_runtime.h>

#define EXPORTED extern "C" __attribute__((visibility("default")))

struct Shape {
    unsigned blocks = 1;
    unsigned threads = 64;
    size_t shared = 0;
    bool cooperative = false;
    unsigned cluster = 1;
};

template <class T>
int run_kernel(void (*kernel)(T*), const Shape& shape, void* results, int count) {
    T* memory = nullptr;
    const size_t bytes = count * sizeof(T);
    if (const cudaError_t status = cudaMalloc(&memory, bytes)) return status;
    cudaLaunchConfig_t config = {};
    cudaLaunchAttribute attributes[2] = {};
    attributes[0].id = cudaLaunchAttributeCooperative;
    attributes[0].val.cooperative = shape.cooperative;
    attributes[1].id = cudaLaunchAttributeClusterDimension;
    attributes[1].val.clusterDim.x = shape.cluster;
    attributes[1].val.clusterDim.y = 1;
    attributes[1].val.clusterDim.z = 1;
    config.gridDim = dim3(shape.blocks);
    config.blockDim = dim3(shape.threads);
    config.dynamicSmemBytes = shape.shared;
    config.attrs = attributes;
    config.numAttrs = shape.cluster > 1 ? 2 : 1;
    cudaError_t status = cudaLaunchKernelEx(&config, kernel, memory);
    if (!status) status = cudaMemcpy(results, memory, bytes, cudaMemcpyDeviceToHost);
    cudaFree(memory);
    return status;
}

// the numbers behind the name are those of Shape
#define ENTRY(kernel, ...)                                             \
    EXPORTED int run_##kernel(void* results, int count) {              \
        return run_kernel(kernel, Shape{__VA_ARGS__}, results, count); \
    }
