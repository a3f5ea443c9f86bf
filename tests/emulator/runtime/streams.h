// Streams: what is put into one happens at once, or is recorded while the stream is captured.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>

namespace emulator {

using Operation = std::function<cudaError_t()>;

/// Remembers an error for cudaGetLastError.
cudaError_t noted(cudaError_t status);
cudaError_t enqueue(cudaStream_t stream, Operation operation);
bool anything_is_captured();

}  // namespace emulator
