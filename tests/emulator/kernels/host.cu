// The host's side: streams, events, graphs, attributes, and launches that must fail.
#include "entry.h"

constexpr int count = 64;

__global__ void add(float* numbers, float what) {
    numbers[threadIdx.x] += what;
}

__global__ void uses_shared(float* numbers) {
    extern __shared__ __align__(16) float grugen_smem[];
    grugen_smem[threadIdx.x] = threadIdx.x;
    __syncthreads();
    numbers[threadIdx.x] = grugen_smem[threadIdx.x];
}

template <class... P, class... A>
cudaError_t start(void (*kernel)(P...), dim3 grid, size_t shared, bool cooperative,
                  cudaStream_t stream, A... arguments) {
    cudaLaunchConfig_t config = {};
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeCooperative;
    attribute.val.cooperative = cooperative;
    config.gridDim = grid;
    config.blockDim = dim3(count);
    config.dynamicSmemBytes = shared;
    config.stream = stream;
    config.attrs = &attribute;
    config.numAttrs = 1;
    return cudaLaunchKernelEx(&config, kernel, arguments...);
}

#define TRY(call) \
    if (const cudaError_t status = (call)) return status

/// A graph that adds 1, and on a second stream 2, is launched `times`; the numbers begin with 0.
EXPORTED int add_by_graph(float* results, int times) {
    float* numbers = nullptr;
    cudaStream_t stream, second;
    cudaEvent_t fork, join;
    cudaGraph_t graph;
    cudaGraphExec_t executable;
    const size_t bytes = count * sizeof(float);
    TRY(cudaStreamCreate(&stream));
    TRY(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
    TRY(cudaEventCreate(&fork));
    TRY(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
    TRY(cudaMallocAsync(&numbers, bytes, stream));
    TRY(cudaMemsetAsync(numbers, 0, bytes, stream));
    TRY(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    TRY(cudaEventRecord(fork, stream));
    TRY(start(add, 1, 0, false, stream, numbers, 1.0f));
    TRY(cudaStreamWaitEvent(second, fork, 0));
    TRY(start(add, 1, 0, false, second, numbers, 2.0f));
    TRY(cudaEventRecord(join, second));
    TRY(cudaStreamWaitEvent(stream, join, 0));
    TRY(cudaStreamEndCapture(stream, &graph));
    TRY(cudaGraphInstantiate(&executable, graph, 0));
    for (int i = 0; i < times; ++i) TRY(cudaGraphLaunch(executable, stream));
    TRY(cudaMemcpyAsync(results, numbers, bytes, cudaMemcpyDeviceToHost, stream));
    TRY(cudaStreamSynchronize(stream));
    TRY(cudaFreeAsync(numbers, stream));
    TRY(cudaGraphExecDestroy(executable));
    TRY(cudaGraphDestroy(graph));
    TRY(cudaEventDestroy(fork));
    TRY(cudaEventDestroy(join));
    TRY(cudaStreamDestroy(second));
    return cudaStreamDestroy(stream);
}

/// A graph that adds `what` as often as it says: recorded on a stream of its own.
static cudaError_t recorded(cudaGraph_t* graph, float* numbers, float what, int times, bool fills) {
    cudaStream_t stream;
    TRY(cudaStreamCreate(&stream));
    TRY(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
    for (int i = 0; i < times; ++i) TRY(start(add, 1, 0, false, stream, numbers, what));
    if (fills) TRY(cudaMemsetAsync(numbers, 0, count * sizeof(float), stream));
    TRY(cudaStreamEndCapture(stream, graph));
    return cudaStreamDestroy(stream);
}

/// 1 is added by an executable graph that becomes one that adds 10; then it is asked to become one
/// of `times` launches, which may fill the numbers.
EXPORTED int update_graph(float* results, int times, int fills) {
    float* numbers = nullptr;
    cudaGraph_t first, second, third;
    cudaGraphExec_t executable;
    cudaGraphExecUpdateResultInfo told;
    const size_t bytes = count * sizeof(float);
    TRY(cudaMalloc(&numbers, bytes));
    TRY(cudaMemset(numbers, 0, bytes));
    TRY(recorded(&first, numbers, 1.0f, 2, false));
    TRY(recorded(&second, numbers, 10.0f, 2, false));
    TRY(recorded(&third, numbers, 100.0f, times, fills));
    TRY(cudaGraphInstantiate(&executable, first, 0));
    TRY(cudaGraphLaunch(executable, nullptr));
    TRY(cudaGraphExecUpdate(executable, second, &told));
    TRY(cudaGraphLaunch(executable, nullptr));
    const cudaError_t updated = cudaGraphExecUpdate(executable, third, &told);
    TRY(cudaGraphLaunch(executable, nullptr));
    TRY(cudaMemcpy(results, numbers, bytes, cudaMemcpyDeviceToHost));
    for (const cudaGraph_t graph : {first, second, third}) TRY(cudaGraphDestroy(graph));
    TRY(cudaGraphExecDestroy(executable));
    TRY(cudaFree(numbers));
    return updated;
}

/// What is gone is used: 0 an executable graph, 1 a graph, 2 memory of a launch.
EXPORTED int use_what_is_gone(int which) {
    float* numbers = nullptr;
    cudaGraph_t graph;
    cudaGraphExec_t executable;
    TRY(cudaMalloc(&numbers, count * sizeof(float)));
    TRY(recorded(&graph, numbers, 1.0f, 1, true));
    TRY(cudaGraphInstantiate(&executable, graph, 0));
    cudaError_t found = cudaSuccess;
    if (which == 0) {
        TRY(cudaGraphExecDestroy(executable));
        found = cudaGraphLaunch(executable, nullptr);
    } else if (which == 1) {
        TRY(cudaGraphDestroy(graph));
        found = cudaGraphInstantiate(&executable, graph, 0);
    } else {
        TRY(cudaFree(numbers));
        found = cudaGraphLaunch(executable, nullptr);
    }
    if (which != 0) TRY(cudaGraphExecDestroy(executable));
    if (which != 1) TRY(cudaGraphDestroy(graph));
    if (which != 2) TRY(cudaFree(numbers));
    return found;
}

/// While somebody captures, a graph is made by a thread that says that it may, or does not.
EXPORTED int make_graph_while_capturing(int relaxed) {
    float* numbers = nullptr;
    cudaStream_t stream;
    cudaGraph_t graph, captured;
    cudaGraphExec_t executable;
    TRY(cudaMalloc(&numbers, count * sizeof(float)));
    TRY(cudaStreamCreate(&stream));
    TRY(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    auto mode = relaxed ? cudaStreamCaptureModeRelaxed : cudaStreamCaptureModeGlobal;
    TRY(cudaThreadExchangeStreamCaptureMode(&mode));
    TRY(recorded(&graph, numbers, 1.0f, 1, false));
    const cudaError_t found = cudaGraphInstantiate(&executable, graph, 0);
    if (found == cudaSuccess) TRY(cudaGraphExecDestroy(executable));
    TRY(cudaGraphDestroy(graph));
    TRY(cudaThreadExchangeStreamCaptureMode(&mode));
    TRY(cudaStreamEndCapture(stream, &captured));
    TRY(cudaGraphDestroy(captured));
    TRY(cudaStreamDestroy(stream));
    TRY(cudaFree(numbers));
    return found;
}

/// What a thread of the host keeps in variables of its own is not shared memory.
EXPORTED int kept_by_host(int number) {
    static thread_local int kept = 1;
    float* numbers = nullptr;
    kept += number;
    TRY(cudaMalloc(&numbers, count * sizeof(float)));
    TRY(start(uses_shared, 1, count * sizeof(float), false, nullptr, numbers));
    TRY(cudaFree(numbers));
    return kept;
}

/// What must not be done while a stream is captured.
EXPORTED int allocate_while_capturing() {
    float* numbers = nullptr;
    cudaStream_t stream;
    cudaGraph_t graph;
    TRY(cudaStreamCreate(&stream));
    TRY(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    const cudaError_t status = cudaMalloc(&numbers, 4);
    cudaStreamEndCapture(stream, &graph);
    cudaGraphDestroy(graph);
    cudaStreamDestroy(stream);
    return status;
}

EXPORTED int time_of_launches(float* milliseconds, int launches) {
    float* numbers = nullptr;
    cudaEvent_t before, after;
    TRY(cudaMalloc(&numbers, count * sizeof(float)));
    TRY(cudaMemset(numbers, 0, count * sizeof(float)));
    TRY(cudaEventCreate(&before));
    TRY(cudaEventCreate(&after));
    TRY(cudaEventRecord(before, nullptr));
    for (int i = 0; i < launches; ++i) TRY(start(add, 1, 0, false, nullptr, numbers, 1.0f));
    TRY(cudaEventRecord(after, nullptr));
    TRY(cudaEventSynchronize(after));
    TRY(cudaEventElapsedTime(milliseconds, before, after));
    TRY(cudaEventDestroy(before));
    TRY(cudaEventDestroy(after));
    return cudaFree(numbers);
}

/// Launches with so much shared memory, allowed or not.
EXPORTED int launch_with_shared(int bytes, int allowed) {
    float* numbers = nullptr;
    TRY(cudaMalloc(&numbers, count * sizeof(float)));
    cudaError_t status = cudaSuccess;
    if (allowed) {
        status =
            cudaFuncSetAttribute(uses_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
    }
    if (!status) status = start(uses_shared, 1, bytes, false, nullptr, numbers);
    cudaFree(numbers);
    // the next one must ask again
    cudaFuncSetAttribute(uses_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 48 << 10);
    return status;
}

__global__ void nothing(float*) {}

EXPORTED int launch_cooperative(int blocks) {
    return start(nothing, blocks, 0, true, nullptr, static_cast<float*>(nullptr));
}

EXPORTED int blocks_at_once(int threads, int shared) {
    int blocks = -1;
    cudaFuncSetAttribute(nothing, cudaFuncAttributeMaxDynamicSharedMemorySize, shared);
    cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, nothing, threads, shared);
    return blocks;
}

EXPORTED int attribute(int which) {
    int value = -1;
    cudaDeviceGetAttribute(&value, static_cast<cudaDeviceAttr>(which), 0);
    return value;
}

/// 2 for device memory, 1 for pinned memory of the host, 0 for other, as cudaMemoryType counts.
EXPORTED int kind_of_pointer(int device) {
    float* numbers = nullptr;
    float own = 0;
    cudaPointerAttributes attributes = {};
    TRY(cudaMalloc(&numbers, 64));
    TRY(cudaPointerGetAttributes(&attributes, device ? numbers + 3 : &own));
    TRY(cudaFree(numbers));
    return attributes.type;
}

EXPORTED const char* words_of(int status) {
    return cudaGetErrorString(static_cast<cudaError_t>(status));
}

/// The error of a failed launch is remembered once.
EXPORTED int remembered_error() {
    cudaGetLastError();
    launch_cooperative(1 << 20);
    const cudaError_t first = cudaGetLastError();
    return first == cudaErrorCooperativeLaunchTooLarge && cudaGetLastError() == cudaSuccess;
}
