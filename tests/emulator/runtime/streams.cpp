// Streams, events and graphs. Work is done in the order of the calls, which is one of the orders
// that a device may choose; graphs are lists of work.
#include "streams.h"

#include <chrono>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "settings.h"

namespace emulator {
namespace {

using Clock = std::chrono::steady_clock;
using Operations = std::vector<Operation>;

struct Stream {
    /// Not null while it is captured; shared by all streams of one capture.
    std::shared_ptr<Operations> recorded;
    bool began_capture = false;
};
struct Event {
    Clock::time_point time;
    bool recorded = false;
    std::shared_ptr<Operations> captured;
};
struct Graph {
    Operations operations;
};

Stream default_stream;
std::set<Stream*> streams;
cudaError_t last_error = cudaSuccess;

Stream& stream_of(cudaStream_t stream) {
    const bool is_default = !stream || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
    return is_default ? default_stream : *reinterpret_cast<Stream*>(stream);
}
Event& event_of(cudaEvent_t event) {
    return *reinterpret_cast<Event*>(event);
}

}  // namespace

cudaError_t noted(cudaError_t status) {
    if (status != cudaSuccess) last_error = status;
    return status;
}

cudaError_t enqueue(cudaStream_t which, Operation operation) {
    Stream& stream = stream_of(which);
    if (!stream.recorded) return noted(operation());
    stream.recorded->push_back(std::move(operation));
    return cudaSuccess;
}

bool anything_is_captured() {
    for (const Stream* stream : streams) {
        if (stream->recorded) return true;
    }
    return false;
}

}  // namespace emulator

using namespace emulator;

extern "C" {

cudaError_t cudaGetLastError() {
    return std::exchange(last_error, cudaSuccess);
}
cudaError_t cudaPeekAtLastError() {
    return last_error;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
    auto* made = new Stream;
    streams.insert(made);
    *stream = reinterpret_cast<cudaStream_t>(made);
    return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    return cudaStreamCreate(stream);
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int) {
    return cudaStreamCreate(stream);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    auto* made = reinterpret_cast<Stream*>(stream);
    if (!streams.erase(made)) return noted(cudaErrorInvalidResourceHandle);
    delete made;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    return stream_of(stream).recorded ? noted(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t) {
    return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
    return anything_is_captured() ? noted(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
    *event = reinterpret_cast<cudaEvent_t>(new Event);
    return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    return cudaEventCreate(event);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete reinterpret_cast<Event*>(event);
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    event_of(event).captured = stream_of(stream).recorded;
    event_of(event).recorded = true;
    event_of(event).time = Clock::now();
    return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) {
    return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t) {
    return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
    if (!event_of(start).recorded || !event_of(end).recorded) {
        return noted(cudaErrorInvalidResourceHandle);
    }
    const auto elapsed = event_of(end).time - event_of(start).time;
    *milliseconds = std::chrono::duration<float, std::milli>(elapsed).count();
    return cudaSuccess;
}
/// A stream that waits for an event of a captured one is captured, too.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    if (event_of(event).captured) stream_of(stream).recorded = event_of(event).captured;
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t which, cudaStreamCaptureMode) {
    Stream& stream = stream_of(which);
    if (&stream == &default_stream) return noted(cudaErrorStreamCaptureUnsupported);
    if (stream.recorded) return noted(cudaErrorIllegalState);
    stream.recorded = std::make_shared<Operations>();
    stream.began_capture = true;
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t which, cudaGraph_t* graph) {
    Stream& stream = stream_of(which);
    if (!stream.began_capture) return noted(cudaErrorIllegalState);
    const auto recorded = stream.recorded;
    *graph = reinterpret_cast<cudaGraph_t>(new Graph{*recorded});
    stream.began_capture = false;
    for (Stream* other : streams) {
        if (other->recorded == recorded) other->recorded = nullptr;
    }
    return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
    *status =
        stream_of(stream).recorded ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
    const auto* source = reinterpret_cast<const Graph*>(graph);
    *executable = reinterpret_cast<cudaGraphExec_t>(new Graph{*source});
    return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
    const Operations operations = reinterpret_cast<const Graph*>(executable)->operations;
    return enqueue(stream, [operations] {
        for (const Operation& operation : operations) {
            if (const cudaError_t status = operation(); status != cudaSuccess) return status;
        }
        return cudaSuccess;
    });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete reinterpret_cast<Graph*>(graph);
    return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
    delete reinterpret_cast<Graph*>(executable);
    return cudaSuccess;
}

}  // extern "C"
