// Templates of the host that keep a kernel's type, as CUDA's own header has them.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

#include "interface.h"

namespace emulator {

/// Kernels of one type. There are many in a library, and all that is a template is compiled for
/// each: what does not need the types is the runtime's.
template <class... P>
struct Kernels {
    static_assert((std::is_trivially_copyable_v<P> && ...), "arguments are copied byte by byte");
    static_assert(((alignof(P) <= alignof(std::max_align_t)) && ...));

    static int launch(const Launch& launch, void* stream, const P&... arguments) {
        const Argument places[] = {{&arguments, sizeof(P)}..., {}};
        return emulator::launch(launch, stream, call, places, sizeof...(P));
    }
    static int launch_packed(const Launch& launch, void* stream, void** packed) {
        const Argument places[] = {{*packed++, sizeof(P)}..., {}};
        return emulator::launch(launch, stream, call, places, sizeof...(P));
    }

private:
    static void call(const void* kernel, const void* const* arguments) {
        call_with(kernel, arguments, std::index_sequence_for<P...>());
    }
    template <size_t... I>
    static void call_with(const void* kernel, const void* const* arguments,
                          std::index_sequence<I...>) {
        (void)arguments;
        const auto function = reinterpret_cast<void (*)(P...)>(const_cast<void*>(kernel));
        function(*static_cast<const P*>(arguments[I])...);
    }
};

template <class F>
const void* address(F* function) {
    return reinterpret_cast<const void*>(function);
}

}  // namespace emulator

template <class... P, class... A>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(P...),
                               A&&... arguments) {
    emulator::Launch launch{};
    launch.kernel = emulator::address(kernel);
    launch.grid = config->gridDim;
    launch.block = config->blockDim;
    launch.cluster = dim3(1);
    launch.shared_bytes = config->dynamicSmemBytes;
    for (unsigned i = 0; i < config->numAttrs; ++i) {
        const cudaLaunchAttributeValue& value = config->attrs[i].val;
        if (config->attrs[i].id == cudaLaunchAttributeCooperative) {
            launch.cooperative = value.cooperative != 0;
        } else if (config->attrs[i].id == cudaLaunchAttributeClusterDimension) {
            launch.cluster = dim3(value.clusterDim.x, value.clusterDim.y, value.clusterDim.z);
        }
    }
    // what an argument is converted to lives until the launch has its copy
    return static_cast<cudaError_t>(
        emulator::Kernels<P...>::launch(launch, config->stream, arguments...));
}
template <class... P>
cudaError_t cudaLaunchKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** packed,
                             size_t shared = 0, cudaStream_t stream = nullptr) {
    return static_cast<cudaError_t>(emulator::Kernels<P...>::launch_packed(
        {emulator::address(kernel), grid, block, dim3(1), shared, false}, stream, packed));
}
template <class... P>
cudaError_t cudaLaunchCooperativeKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** packed,
                                        size_t shared = 0, cudaStream_t stream = nullptr) {
    return static_cast<cudaError_t>(emulator::Kernels<P...>::launch_packed(
        {emulator::address(kernel), grid, block, dim3(1), shared, true}, stream, packed));
}

template <class T>
cudaError_t cudaMalloc(T** pointer, size_t bytes) {
    return ::cudaMalloc(reinterpret_cast<void**>(pointer), bytes);
}
template <class T>
cudaError_t cudaMallocAsync(T** pointer, size_t bytes, cudaStream_t stream) {
    return ::cudaMallocAsync(reinterpret_cast<void**>(pointer), bytes, stream);
}
template <class T>
cudaError_t cudaMallocHost(T** pointer, size_t bytes, unsigned = 0) {
    return ::cudaMallocHost(reinterpret_cast<void**>(pointer), bytes);
}
template <class F>
cudaError_t cudaFuncSetAttribute(F* function, cudaFuncAttribute attribute, int value) {
    return ::cudaFuncSetAttribute(emulator::address(function), attribute, value);
}
template <class F>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, F* function) {
    return ::cudaFuncGetAttributes(attributes, emulator::address(function));
}
template <class F>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, F* function, int threads,
                                                          size_t shared) {
    return ::cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, emulator::address(function),
                                                           threads, shared);
}
template <class F>
cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, F* function,
                                           const cudaLaunchConfig_t* config) {
    return ::cudaOccupancyMaxActiveClusters(clusters, emulator::address(function), config);
}
template <class T>
cudaError_t cudaMemcpyToSymbol(T& symbol, const void* from, size_t bytes, size_t offset = 0,
                               cudaMemcpyKind = cudaMemcpyHostToDevice) {
    std::memcpy(reinterpret_cast<char*>(&symbol) + offset, from, bytes);
    return cudaSuccess;
}
template <class T>
cudaError_t cudaGetSymbolAddress(void** pointer, const T& symbol) {
    *pointer = const_cast<void*>(static_cast<const void*>(&symbol));
    return cudaSuccess;
}
