// Streams: what is put into one happens at once, or is recorded while the stream is captured.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <memory>
#include <vector>

namespace emulator {

enum class Kind { kernel, copy, fill, graph };

/// What a stream is given. A graph that is updated keeps the kinds of what it has.
struct Operation {
    Kind kind;
    std::function<cudaError_t()> run;
    /// Memory of the device that it was handed; looked at when a graph has kept it for a while.
    std::vector<const void*> memory = {};
};
using Operations = std::vector<Operation>;

/// Remembers an error for cudaGetLastError.
cudaError_t noted(cudaError_t status);
cudaError_t enqueue(cudaStream_t stream, Operation operation);
/// Whether a stream is captured that forbids this thread what does not go into a stream.
bool capture_forbids();

/// The capture that a stream takes part in ends. An error if it did not begin there.
cudaError_t end_capture(cudaStream_t stream, Operations* recorded);

}  // namespace emulator
