// Graphs are lists of work, and executable ones are copies of them. What is destroyed is gone.
#include <algorithm>
#include <set>
#include <utility>

#include "device_memory.h"
#include "settings.h"
#include "streams.h"

namespace emulator {
namespace {

struct Graph {
    Operations operations;
};

// never destroyed: threads may drop graphs while the process ends
std::set<const void*>& living() {
    static auto* found = new std::set<const void*>;
    return *found;
}

void* made(Operations operations) {
    auto* graph = new Graph{std::move(operations)};
    living().insert(graph);
    return graph;
}

/// The graph of a handle; null, with a message, if there is none.
Graph* find(const void* handle, const char* function) {
    if (living().count(handle)) return const_cast<Graph*>(static_cast<const Graph*>(handle));
    report(text("%s: there is no such graph any more", function));
    return nullptr;
}

cudaError_t destroy(const void* handle, const char* function) {
    const Graph* graph = find(handle, function);
    if (!graph) return noted(cudaErrorInvalidValue);
    living().erase(graph);
    delete graph;
    return cudaSuccess;
}

bool same_kinds(const Operations& some, const Operations& others) {
    return std::equal(some.begin(), some.end(), others.begin(), others.end(),
                      [](const Operation& a, const Operation& b) { return a.kind == b.kind; });
}

cudaError_t run_all(const Operations& operations) {
    for (const Operation& operation : operations) {
        for (const void* memory : operation.memory) {
            if (is_device_memory(memory, 1)) continue;
            report("cudaGraphLaunch: a kernel was handed memory that has been freed since");
            return cudaErrorInvalidValue;
        }
        if (const cudaError_t status = operation.run(); status != cudaSuccess) return status;
    }
    return cudaSuccess;
}

}  // namespace
}  // namespace emulator

using namespace emulator;

extern "C" {

/// Graphs, executable or not, that are not destroyed.
__attribute__((visibility("default"))) int emulator_graphs() {
    return static_cast<int>(living().size());
}

/// For tests that are a caller who captures: what is put into the stream from now on is recorded.
__attribute__((visibility("default"))) int emulator_begin_capture(void* stream) {
    return cudaStreamBeginCapture(static_cast<cudaStream_t>(stream), cudaStreamCaptureModeGlobal);
}
/// Then launches it so many times.
__attribute__((visibility("default"))) int emulator_end_capture(void* stream, int times) {
    Operations recorded;
    const auto captured = static_cast<cudaStream_t>(stream);
    if (const cudaError_t status = end_capture(captured, &recorded)) return status;
    for (int turn = 0; turn < times; ++turn) {
        if (const cudaError_t status = run_all(recorded)) return noted(status);
    }
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
    Operations recorded;
    *graph = nullptr;
    if (const cudaError_t status = end_capture(stream, &recorded)) return status;
    if (call_must_fail()) return noted(cudaErrorMemoryAllocation);
    *graph = static_cast<cudaGraph_t>(made(std::move(recorded)));
    return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
    if (capture_forbids()) return noted(cudaErrorStreamCaptureUnsupported);
    if (call_must_fail()) return noted(cudaErrorMemoryAllocation);
    const Graph* source = find(graph, "cudaGraphInstantiate");
    if (!source) return noted(cudaErrorInvalidValue);
    *executable = static_cast<cudaGraphExec_t>(made(source->operations));
    return cudaSuccess;
}
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t executable, cudaGraph_t graph,
                                cudaGraphExecUpdateResultInfo* told) {
    *told = {};
    told->result = cudaGraphExecUpdateError;
    if (call_must_fail()) return noted(cudaErrorGraphExecUpdateFailure);
    Graph* target = find(executable, "cudaGraphExecUpdate");
    const Graph* source = find(graph, "cudaGraphExecUpdate");
    if (!target || !source) return noted(cudaErrorInvalidValue);
    if (!same_kinds(target->operations, source->operations)) {
        told->result = cudaGraphExecUpdateErrorTopologyChanged;
        return noted(cudaErrorGraphExecUpdateFailure);
    }
    target->operations = source->operations;
    told->result = cudaGraphExecUpdateSuccess;
    return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
    if (call_must_fail()) return noted(cudaErrorMemoryAllocation);
    const Graph* graph = find(executable, "cudaGraphLaunch");
    if (!graph) return noted(cudaErrorInvalidValue);
    const Operations operations = graph->operations;
    return enqueue(stream, {Kind::graph, [operations] { return run_all(operations); }});
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    return destroy(graph, "cudaGraphDestroy");
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
    return destroy(executable, "cudaGraphExecDestroy");
}

}  // extern "C"
