// Accesses outside of what a kernel has; `at NAME` marks the lines to be reported.
#include "entry.h"

#ifdef GRUGEN_EMULATOR
constexpr size_t shared_gap = emulator::shared_gap;
#else
constexpr size_t shared_gap = 0;
#endif

/// Carves dynamic shared memory: after each array lies a gap, if the emulator wants one.
struct Carver {
    char* next;

    template <class T>
    __device__ T* take(size_t count) {
        T* taken = reinterpret_cast<T*>(next);
        next += count * sizeof(T) + shared_gap;
#ifdef GRUGEN_EMULATOR
        if (threadIdx.x == 0) emulator::close_gap(next - shared_gap);
        __syncthreads();
#endif
        return taken;
    }
};

__global__ void beyond_global(float* results) {
    const int i = threadIdx.x;
    results[i + (i == 63)] = i;  // at beyond_global
}
ENTRY(beyond_global)

__global__ void beyond_dynamic(float* results) {
    extern __shared__ __align__(16) float grugen_smem[];
    const int i = threadIdx.x;
    grugen_smem[i + 1] = i;  // at beyond_dynamic
    __syncthreads();
    results[i] = i;
}
ENTRY(beyond_dynamic, 1, 64, 64 * sizeof(float))

__global__ void beyond_static(float* results) {
    __shared__ float kept[64];
    const int i = threadIdx.x;
    kept[i + 1] = i;  // at beyond_static
    __syncthreads();
    results[i] = i ? kept[i] : 0;
}
ENTRY(beyond_static)

__global__ void beyond_part(float* results) {
    extern __shared__ __align__(16) float grugen_smem[];
    Carver carver{reinterpret_cast<char*>(grugen_smem)};
    float* left = carver.take<float>(64);
    float* right = carver.take<float>(64);
    const int i = threadIdx.x;
    right[i] = i;
    __syncthreads();
    left[i + 1] = i;  // at beyond_part
    __syncthreads();
    results[i] = right[i];
}
ENTRY(beyond_part, 1, 64, 2 * (64 * sizeof(float) + shared_gap))

__global__ void parts_right(float* results) {
    extern __shared__ __align__(16) float grugen_smem[];
    Carver carver{reinterpret_cast<char*>(grugen_smem)};
    float* left = carver.take<float>(64);
    float* right = carver.take<float>(64);
    const int i = threadIdx.x;
    left[i] = i;
    right[i] = left[i];
    __syncthreads();
    results[i] = right[63 - i];
}
ENTRY(parts_right, 1, 64, 2 * (64 * sizeof(float) + shared_gap))

// a free of what was not allocated, and a copy that does not fit
EXPORTED int run_wrong_free(float* results, int) {
    return cudaFree(results);
}
EXPORTED int run_wrong_copy(float* results, int count) {
    float* memory = nullptr;
    cudaMalloc(&memory, 4);
    const cudaError_t status =
        cudaMemcpy(results, memory, count * sizeof(float), cudaMemcpyDeviceToHost);
    cudaFree(memory);
    return status;
}
