// The device: an H200's numbers, its limits of launches, and how many blocks it runs at once.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "device_memory.h"
#include "grid.h"
#include "settings.h"
#include "shared_memory.h"
#include "streams.h"

namespace emulator {
namespace {

constexpr int most_threads = 1024;
constexpr int threads_per_processor = 2048;
constexpr int most_blocks_per_processor = 32;
constexpr size_t shared_per_processor = 228 << 10;
constexpr size_t reserved_per_block = 1 << 10;
constexpr size_t shared_without_asking = 48 << 10;
constexpr unsigned portable_cluster = 8;
constexpr unsigned largest_cluster = 16;

struct Asked {
    size_t shared_bytes = shared_without_asking;
    bool large_cluster = false;
};
/// What cudaFuncSetAttribute has allowed, by kernel.
std::map<const void*, Asked> asked;

int blocks_at_once(int threads, size_t shared) {
    if (threads < 1 || threads > most_threads || shared > most_shared_bytes) return 0;
    const int whole_warps = (threads + 31) / 32 * 32;
    const size_t by_shared = shared_per_processor / (shared + reserved_per_block);
    int blocks = std::min(threads_per_processor / whole_warps, most_blocks_per_processor);
    blocks = std::min(blocks, static_cast<int>(by_shared));
    const int set = settings.blocks_per_processor;
    return set ? std::min(blocks, set) : blocks;
}

bool fits_device(const Launch& launch) {
    const dim3 grid = launch.grid, block = launch.block;
    const auto threads = 1ull * block.x * block.y * block.z;
    constexpr unsigned most_rows = 65'535, most_layers = 64;
    return threads >= 1 && threads <= most_threads && block.z <= most_layers && grid.x && grid.y &&
           grid.z && grid.y <= most_rows && grid.z <= most_rows;
}

cudaError_t check_cluster(const Launch& launch) {
    const unsigned size = count(launch.cluster);
    const bool divides = size && launch.grid.x % launch.cluster.x == 0 &&
                         launch.grid.y % launch.cluster.y == 0 &&
                         launch.grid.z % launch.cluster.z == 0;
    const bool large = asked[launch.kernel].large_cluster;
    if (!divides || size > (large ? largest_cluster : portable_cluster)) {
        return cudaErrorInvalidClusterSize;
    }
    return cudaSuccess;
}

cudaError_t check_launch(const Launch& launch) {
    if (!fits_device(launch)) return cudaErrorInvalidConfiguration;
    if (launch.shared_bytes > asked[launch.kernel].shared_bytes) return cudaErrorInvalidValue;
    const int at_once = blocks_at_once(static_cast<int>(count(launch.block)), launch.shared_bytes);
    const auto fitting = 1ull * settings.processors * at_once;
    if (launch.cooperative && count(launch.grid) > fitting) {
        return cudaErrorCooperativeLaunchTooLarge;
    }
    return check_cluster(launch);
}

}  // namespace

/// Copies of arguments, each with nothing behind it.
struct Kept {
    std::vector<std::unique_ptr<std::max_align_t[]>> copies;
    std::vector<const void*> places;

    void add(const Argument& argument) {
        constexpr size_t part = sizeof(std::max_align_t);
        copies.push_back(std::make_unique<std::max_align_t[]>((argument.bytes + part - 1) / part));
        memcpy(copies.back().get(), argument.start, argument.bytes);
        places.push_back(copies.back().get());
    }
};

/// The words of an argument that point to device memory.
static void add_pointers(const Argument& argument, std::vector<const void*>& found) {
    const char* bytes = static_cast<const char*>(argument.start);
    for (size_t at = 0; at + sizeof(void*) <= argument.bytes; at += sizeof(void*)) {
        const void* word;
        memcpy(&word, bytes + at, sizeof word);
        if (is_device_memory(word, 1)) found.push_back(word);
    }
}

int launch(const Launch& launch, void* stream, Caller caller, const Argument* arguments,
           size_t count) {
    const cudaError_t status = check_launch(launch);
    if (status != cudaSuccess) return noted(status);
    if (call_must_fail()) return noted(cudaErrorMemoryAllocation);
    const auto kept = std::make_shared<Kept>();
    Operation operation{Kind::kernel, [launch, caller, kept] {
                            const auto body = [&] { caller(launch.kernel, kept->places.data()); };
                            return run_grid(launch, body) ? cudaSuccess : cudaErrorLaunchFailure;
                        }};
    for (size_t i = 0; i < count; ++i) {
        kept->add(arguments[i]);
        add_pointers(arguments[i], operation.memory);
    }
    return enqueue(static_cast<cudaStream_t>(stream), std::move(operation));
}

}  // namespace emulator

using namespace emulator;

extern "C" {

cudaError_t cudaGetDevice(int* device) {
    *device = 0;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
    return device ? noted(cudaErrorInvalidDevice) : cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* devices) {
    *devices = 1;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
    const std::map<cudaDeviceAttr, int> values{
        {cudaDevAttrMultiProcessorCount, settings.processors},
        {cudaDevAttrMaxSharedMemoryPerBlockOptin, most_shared_bytes},
        {cudaDevAttrMaxSharedMemoryPerBlock, shared_without_asking},
        {cudaDevAttrMaxSharedMemoryPerMultiprocessor, shared_per_processor},
        {cudaDevAttrReservedSharedMemoryPerBlock, reserved_per_block},
        {cudaDevAttrMaxThreadsPerBlock, most_threads},
        {cudaDevAttrMaxThreadsPerMultiProcessor, threads_per_processor},
        {cudaDevAttrMaxBlocksPerMultiprocessor, most_blocks_per_processor},
        {cudaDevAttrMaxRegistersPerBlock, 65'536},
        {cudaDevAttrMaxRegistersPerMultiprocessor, 65'536},
        {cudaDevAttrWarpSize, 32},
        {cudaDevAttrCooperativeLaunch, 1},
        {cudaDevAttrClusterLaunch, 1},
        {cudaDevAttrMemoryPoolsSupported, 1},
        {cudaDevAttrComputeCapabilityMajor, 9},
        {cudaDevAttrComputeCapabilityMinor, 0},
        {cudaDevAttrL2CacheSize, 60 << 20},
        {cudaDevAttrClockRate, 1'980'000},
        {cudaDevAttrMaxGridDimX, 0x7fffffff},
        {cudaDevAttrMaxGridDimY, 65'535},
        {cudaDevAttrMaxGridDimZ, 65'535}};
    const auto found = values.find(attribute);
    if (device || found == values.end()) return noted(cudaErrorInvalidValue);
    *value = found->second;
    return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
    *properties = {};
    strcpy(properties->name, "emulated H200");
    properties->multiProcessorCount = settings.processors;
    properties->sharedMemPerBlock = shared_without_asking;
    properties->sharedMemPerBlockOptin = most_shared_bytes;
    properties->sharedMemPerMultiprocessor = shared_per_processor;
    properties->maxThreadsPerBlock = most_threads;
    properties->warpSize = 32;
    properties->major = 9;
    return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
    *available = *total = size_t{141} << 30;
    return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
    if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
        if (value < 0 || static_cast<size_t>(value) > most_shared_bytes) {
            return noted(cudaErrorInvalidValue);
        }
        asked[kernel].shared_bytes = value;
    } else if (attribute == cudaFuncAttributeNonPortableClusterSizeAllowed) {
        asked[kernel].large_cluster = value != 0;
    }
    return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
    *attributes = {};
    attributes->maxThreadsPerBlock = most_threads;
    attributes->maxDynamicSharedSizeBytes = static_cast<int>(asked[kernel].shared_bytes);
    return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* kernel,
                                                          int threads, size_t shared) {
    const bool allowed = shared <= asked[kernel].shared_bytes;
    *blocks = allowed ? blocks_at_once(threads, shared) : 0;
    return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void* kernel,
                                                                   int threads, size_t shared,
                                                                   unsigned) {
    return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, kernel, threads, shared);
}
cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, const void* kernel,
                                           const cudaLaunchConfig_t* config) {
    Launch launch{};
    launch.kernel = kernel;
    launch.grid = config->gridDim;
    launch.block = config->blockDim;
    launch.cluster = dim3(1);
    for (unsigned i = 0; i < config->numAttrs; ++i) {
        const cudaLaunchAttribute& attribute = config->attrs[i];
        if (attribute.id != cudaLaunchAttributeClusterDimension) continue;
        launch.cluster = dim3(attribute.val.clusterDim.x, attribute.val.clusterDim.y,
                              attribute.val.clusterDim.z);
    }
    launch.shared_bytes = config->dynamicSmemBytes;
    if (const cudaError_t status = check_launch(launch)) return noted(status);
    const int blocks = blocks_at_once(static_cast<int>(count(launch.block)), launch.shared_bytes);
    *clusters = settings.processors * blocks / static_cast<int>(count(launch.cluster));
    return cudaSuccess;
}

}  // extern "C"
