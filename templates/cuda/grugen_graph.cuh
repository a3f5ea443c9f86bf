// Launches of a few steps as a graph, which the host launches as one: that takes it a few
// microseconds where launches one by one take two each, and the device goes from kernel to kernel
// sooner.
//
// A graph has the launches of GRUGEN_GRAPH_STEPS steps, with all of their arguments. Which steps of
// a call they are stands in the call's memory, where the last kernel of the graph counts them: so
// one graph, launched again and again, goes through a call of any length. The steps that remain are
// launched by themselves.
//
// A thread keeps the graph of each loop for its next call, until it ends. A call that is like the
// last one, to the byte, launches the graph as it is. Else its arguments are replaced, which what
// was launched before does not notice. Where that cannot be, as with lengths after a call without
// any, or on another device, the graph is made anew; a graph that is destroyed finishes first what
// was launched.
//
// CUDA has no locks around graphs, hence one for each thread. Launches of one graph follow each
// other, on whatever streams: calls of a thread on two streams are right, and take turns, with
// kernels of which each fills the device anyway. Who resets a device ends the threads first that
// keep graphs of it.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include <cstring>

#include "grugen_memory.cuh"

// An even number: memory that steps use in turn is in its place again behind the last of them.
#ifndef GRUGEN_GRAPH_STEPS
#define GRUGEN_GRAPH_STEPS 16
#endif
static_assert(GRUGEN_GRAPH_STEPS > 0 && GRUGEN_GRAPH_STEPS % 2 == 0, "graphs have pairs of steps");

template <int STEPS>
static __global__ void grugen_count_steps_kernel(int *begun)
{
    *begun += STEPS;
}

// The last launch of a graph: its steps are over.
static inline cudaError_t grugen_count_steps(int *begun, cudaStream_t stream)
{
    const grugen_launch launch = {dim3(1), 1, 0, false, stream};
    return grugen_start(grugen_count_steps_kernel<GRUGEN_GRAPH_STEPS>, launch, begun);
}

// What a thread keeps. `given` are the arguments of the graph's launches; its bytes are compared,
// and those that are no member's may differ without need.
template <class Given>
struct grugen_graph {
    cudaGraphExec_t executable = nullptr; // NULL: there is none
    cudaStream_t recorder = nullptr; // where launches are recorded: never the caller's, which other
                                     // threads may be using
    int device = 0;
    Given given = {};

    grugen_graph() = default;
    grugen_graph(const grugen_graph &) = delete;
    grugen_graph &operator=(const grugen_graph &) = delete;
    ~grugen_graph() { forget(); }

    // Errors are of no use here: the process may be about to end, and the device be gone.
    void forget()
    {
        if (executable != nullptr) { (void)cudaGraphExecDestroy(executable); }
        if (recorder != nullptr) { (void)cudaStreamDestroy(recorder); }
        executable = nullptr;
        recorder = nullptr;
    }
};

// How many graphs a call of T steps launches on the stream. Short calls launch none: to replace the
// arguments of one takes about as long as it saves. Nor do those that are captured: their launches
// become part of the caller's graph.
static inline cudaError_t grugen_count_graphs(int64_t T, cudaStream_t stream, int64_t *graphs)
{
    *graphs = 0;
    if (T < 2 * GRUGEN_GRAPH_STEPS) { return cudaSuccess; }
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    GRUGEN_TRY(cudaStreamIsCapturing(stream, &status));
    if (status == cudaStreamCaptureStatusNone) { *graphs = T / GRUGEN_GRAPH_STEPS; }
    return cudaSuccess;
}

// What `launch(stream)` launches, as a graph.
template <class Launch>
static inline cudaError_t
grugen_record(cudaStream_t recorder, const Launch &launch, cudaGraph_t *graph)
{
    GRUGEN_TRY(cudaStreamBeginCapture(recorder, cudaStreamCaptureModeRelaxed));
    const cudaError_t launched = launch(recorder);
    // the stream is for recording again, whatever has happened
    const cudaError_t ended = cudaStreamEndCapture(recorder, graph);
    if (launched == cudaSuccess || ended != cudaSuccess) { return ended; }
    (void)cudaGraphDestroy(*graph);
    return launched;
}

// From now on the kept graph launches what `graph` does; if that fails, there is none.
template <class Given>
static inline cudaError_t grugen_become(grugen_graph<Given> *kept, cudaGraph_t graph)
{
    if (kept->executable != nullptr) {
        cudaGraphExecUpdateResultInfo told = {};
        if (cudaGraphExecUpdate(kept->executable, graph, &told) == cudaSuccess) {
            return cudaSuccess;
        }
        // other launches than before
        (void)cudaGetLastError();
        (void)cudaGraphExecDestroy(kept->executable);
        kept->executable = nullptr;
    }
    cudaGraphExec_t made = nullptr;
    GRUGEN_TRY(cudaGraphInstantiate(&made, graph, 0));
    kept->executable = made;
    return cudaSuccess;
}

// Make the kept graph one of what `launch(recorder)` launches with the arguments `given`.
template <class Given, class Launch>
static inline cudaError_t grugen_make_graph(
    grugen_graph<Given> *kept, const Given &given, int device, const Launch &launch)
{
    if (kept->device != device) { kept->forget(); }
    kept->device = device;
    if (kept->recorder == nullptr) {
        GRUGEN_TRY(cudaStreamCreateWithFlags(&kept->recorder, cudaStreamNonBlocking));
    }
    cudaGraph_t graph = nullptr;
    GRUGEN_TRY(grugen_record(kept->recorder, launch, &graph));
    const cudaError_t made = grugen_become(kept, graph);
    (void)cudaGraphDestroy(graph);
    // with the bytes between members, which are compared, too
    memcpy(&kept->given, &given, sizeof given);
    return made;
}

// Launch on the stream, `times` in a row, what `launch(recorder)` launches with the arguments
// `given`.
template <class Given, class Launch>
static inline cudaError_t grugen_launch_graph(
    grugen_graph<Given> *kept,
    const Given &given,
    int64_t times,
    cudaStream_t stream,
    const Launch &launch)
{
    int device = 0;
    GRUGEN_TRY(cudaGetDevice(&device));
    const bool is_same = kept->executable != nullptr && kept->device == device &&
        memcmp(&kept->given, &given, sizeof given) == 0;
    if (!is_same) {
        // somebody else may be capturing, and forbid all threads what is not on a stream: this is no
        // part of what is captured
        cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
        GRUGEN_TRY(cudaThreadExchangeStreamCaptureMode(&mode));
        const cudaError_t made = grugen_make_graph(kept, given, device, launch);
        (void)cudaThreadExchangeStreamCaptureMode(&mode);
        GRUGEN_TRY(made);
    }
    for (int64_t turn = 0; turn < times; ++turn) {
        GRUGEN_TRY(cudaGraphLaunch(kept->executable, stream));
    }
    return cudaSuccess;
}
