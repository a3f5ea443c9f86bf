// Allocations of device memory.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

namespace emulator {

bool is_device_memory(const void* pointer, size_t bytes);
cudaError_t copy_memory(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
cudaError_t set_memory(void* start, int value, size_t bytes);

}  // namespace emulator
