// Streams and events. Work is done in the order of the calls, which is one of the orders that a
// device may choose.
#include "streams.h"

#include <chrono>
#include <memory>
#include <set>
#include <utility>

#include "settings.h"

namespace emulator {
namespace {

using Clock = std::chrono::steady_clock;

struct Capture {
    Operations operations;
    cudaStreamCaptureMode mode;
};
struct Stream {
    /// Not null while it is captured; shared by all streams of one capture.
    std::shared_ptr<Capture> recorded;
    bool began_capture = false;
};
struct Event {
    Clock::time_point time;
    bool recorded = false;
    std::shared_ptr<Capture> captured;
};

Stream default_stream;
std::set<Stream*> streams;
cudaError_t last_error = cudaSuccess;
thread_local cudaStreamCaptureMode own_mode = cudaStreamCaptureModeGlobal;

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
    if (!stream.recorded) return noted(operation.run());
    stream.recorded->operations.push_back(std::move(operation));
    return cudaSuccess;
}

bool capture_forbids() {
    if (own_mode == cudaStreamCaptureModeRelaxed) return false;
    for (const Stream* stream : streams) {
        const auto& recorded = stream->recorded;
        if (recorded && recorded->mode != cudaStreamCaptureModeRelaxed) return true;
    }
    return false;
}

cudaError_t end_capture(cudaStream_t which, Operations* found) {
    Stream& stream = stream_of(which);
    if (!stream.began_capture) return noted(cudaErrorIllegalState);
    const auto recorded = stream.recorded;
    *found = recorded->operations;
    stream.began_capture = false;
    for (Stream* other : streams) {
        if (other->recorded == recorded) other->recorded = nullptr;
    }
    return cudaSuccess;
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
    if (call_must_fail()) return noted(cudaErrorMemoryAllocation);
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
    return capture_forbids() ? noted(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
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

cudaError_t cudaStreamBeginCapture(cudaStream_t which, cudaStreamCaptureMode mode) {
    if (call_must_fail()) return noted(cudaErrorMemoryAllocation);
    Stream& stream = stream_of(which);
    if (&stream == &default_stream) return noted(cudaErrorStreamCaptureUnsupported);
    if (stream.recorded) return noted(cudaErrorIllegalState);
    stream.recorded = std::make_shared<Capture>(Capture{{}, mode});
    stream.began_capture = true;
    return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
    *status =
        stream_of(stream).recorded ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
    std::swap(*mode, own_mode);
    return cudaSuccess;
}

}  // extern "C"
