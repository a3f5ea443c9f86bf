// Templates of the host that keep a kernel's type, as CUDA's own header has them.
#pragma once

#include <cuda_runtime_api.h>

#include <cstring>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "interface.h"

namespace emulator {

/// All words of an argument, which are pointers or are not.
template <class T>
void add_words(const T& argument, std::vector<const void*>& words) {
    const char* bytes = reinterpret_cast<const char*>(&argument);
    for (size_t at = 0; at + sizeof(void*) <= sizeof argument; at += sizeof(void*)) {
        const void* word;
        std::memcpy(&word, bytes + at, sizeof word);
        words.push_back(word);
    }
}

/// A kernel and its arguments, kept by value as a launch keeps them.
struct Bound {
    std::function<void()> body;
    std::vector<const void*> words;
};

template <class... P, class... A>
Bound bound(void (*kernel)(P...), A&&... arguments) {
    using Kept = std::tuple<std::decay_t<P>...>;
    const auto kept = std::make_shared<Kept>(std::forward<A>(arguments)...);
    Bound made{[kernel, kept] { std::apply(kernel, *kept); }, {}};
    std::apply([&](const auto&... each) { (add_words(each, made.words), ...); }, *kept);
    return made;
}

template <class... P, size_t... I>
Bound bound_packed(void (*kernel)(P...), void** packed, std::index_sequence<I...>) {
    (void)packed;
    return bound(kernel, *static_cast<std::decay_t<P>*>(packed[I])...);
}

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
    const auto made = emulator::bound(kernel, std::forward<A>(arguments)...);
    return static_cast<cudaError_t>(
        emulator::launch(launch, config->stream, made.body, made.words));
}
template <class... P>
cudaError_t cudaLaunchKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** packed,
                             size_t shared = 0, cudaStream_t stream = nullptr) {
    const auto made = emulator::bound_packed(kernel, packed, std::index_sequence_for<P...>());
    return static_cast<cudaError_t>(
        emulator::launch({emulator::address(kernel), grid, block, dim3(1), shared, false}, stream,
                         made.body, made.words));
}
template <class... P>
cudaError_t cudaLaunchCooperativeKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** packed,
                                        size_t shared = 0, cudaStream_t stream = nullptr) {
    const auto made = emulator::bound_packed(kernel, packed, std::index_sequence_for<P...>());
    return static_cast<cudaError_t>(
        emulator::launch({emulator::address(kernel), grid, block, dim3(1), shared, true}, stream,
                         made.body, made.words));
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
