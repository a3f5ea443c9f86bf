// The host's functions for memory. What is allocated is filled with NaN; what is copied must fit
// its direction and its allocation.
#include "device_memory.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <set>

#include "race.h"
#include "settings.h"
#include "shared_memory.h"
#include "streams.h"

namespace emulator {

// never destroyed: libraries may free memory while the process ends
static std::map<const char*, size_t>& allocations() {
    static auto* found = new std::map<const char*, size_t>;
    return *found;
}
static std::set<const void*>& pinned() {
    static auto* found = new std::set<const void*>;
    return *found;
}

bool is_device_memory(const void* pointer, size_t bytes) {
    const char* start = static_cast<const char*>(pointer);
    auto after = allocations().upper_bound(start);
    if (after == allocations().begin()) return false;
    const auto& [from, size] = *--after;
    return start + bytes <= from + size;
}

cudaError_t copy_memory(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    if (!bytes) return cudaSuccess;
    const bool to_device = is_device_memory(to, bytes);
    const bool from_device = is_device_memory(from, bytes);
    const bool wants_to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool wants_from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (kind != cudaMemcpyDefault && (to_device != wants_to || from_device != wants_from)) {
        report("cudaMemcpy: the pointers do not fit the direction or their allocations");
        return cudaErrorInvalidValue;
    }
    if (to_device) race::host_wrote(to, bytes);
    memmove(to, from, bytes);
    return cudaSuccess;
}

cudaError_t set_memory(void* start, int value, size_t bytes) {
    if (!bytes) return cudaSuccess;
    if (!is_device_memory(start, bytes)) {
        report("cudaMemset: the bytes are not inside of an allocation");
        return cudaErrorInvalidValue;
    }
    race::host_wrote(start, bytes);
    memset(start, value, bytes);
    return cudaSuccess;
}

static void* aligned(size_t bytes) {
    void* start = nullptr;
    constexpr size_t alignment = 256;
    return posix_memalign(&start, alignment, bytes ? bytes : 1) ? nullptr : start;
}

}  // namespace emulator

using namespace emulator;

extern "C" {

/// Allocations of device memory that are not freed.
__attribute__((visibility("default"))) int emulator_allocations() {
    return static_cast<int>(allocations().size());
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
    if (capture_forbids()) return noted(cudaErrorStreamCaptureUnsupported);
    return cudaMallocAsync(pointer, bytes, nullptr);
}
cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t) {
    void* start = aligned(bytes);
    if (!start) return noted(cudaErrorMemoryAllocation);
    memset(start, poison, bytes);
    allocations()[static_cast<char*>(start)] = bytes;
    race::memory_added(start, bytes);
    *pointer = start;
    return cudaSuccess;
}
cudaError_t cudaFree(void* pointer) {
    if (!pointer) return cudaSuccess;
    if (!allocations().erase(static_cast<char*>(pointer))) {
        report("cudaFree: no allocation begins there");
        return noted(cudaErrorInvalidValue);
    }
    race::memory_removed(pointer);
    free(pointer);
    return cudaSuccess;
}
cudaError_t cudaFreeAsync(void* pointer, cudaStream_t) {
    return cudaFree(pointer);
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
    *pointer = aligned(bytes);
    if (!*pointer) return noted(cudaErrorMemoryAllocation);
    pinned().insert(*pointer);
    return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
    return cudaMallocHost(pointer, bytes);
}
cudaError_t cudaFreeHost(void* pointer) {
    if (pointer && !pinned().erase(pointer)) return noted(cudaErrorInvalidValue);
    free(pointer);
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    if (capture_forbids()) return noted(cudaErrorStreamCaptureUnsupported);
    return noted(copy_memory(to, from, bytes, kind));
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    return enqueue(stream, {Kind::copy, [=] { return copy_memory(to, from, bytes, kind); }});
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
    const auto copy_rows = [=] {
        for (size_t row = 0; row < height; ++row) {
            const cudaError_t status =
                copy_memory(static_cast<char*>(to) + row * to_pitch,
                            static_cast<const char*>(from) + row * from_pitch, width, kind);
            if (status != cudaSuccess) return status;
        }
        return cudaSuccess;
    };
    return enqueue(stream, {Kind::copy, copy_rows});
}
cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                         size_t width, size_t height, cudaMemcpyKind kind) {
    return cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, width, height, kind, nullptr);
}
cudaError_t cudaMemset(void* start, int value, size_t bytes) {
    return noted(set_memory(start, value, bytes));
}
cudaError_t cudaMemsetAsync(void* start, int value, size_t bytes, cudaStream_t stream) {
    return enqueue(stream, {Kind::fill, [=] { return set_memory(start, value, bytes); }});
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
    *attributes = {};
    attributes->type = cudaMemoryTypeUnregistered;
    attributes->device = -1;
    if (is_device_memory(pointer, 1)) {
        attributes->type = cudaMemoryTypeDevice;
        attributes->device = 0;
        attributes->devicePointer = const_cast<void*>(pointer);
    } else if (pinned().count(pointer)) {
        attributes->type = cudaMemoryTypeHost;
        attributes->device = 0;
        attributes->hostPointer = attributes->devicePointer = const_cast<void*>(pointer);
    }
    return cudaSuccess;
}

}  // extern "C"
