// A GRU whose kernel stays for all steps: each block has some of the units, keeps their rows of the
// matrix in shared memory, and meets the others at a barrier of the grid once a step.
#include <cooperative_groups.h>

#include "entry.h"

namespace cg = cooperative_groups;

constexpr int units = 8;  // of a block
constexpr int split = 4;  // lanes that share one product

struct Gru {
    const float* projected;  // [steps, batch, 3 hidden]: of the inputs, with their bias
    const float* recurrent;  // [3 hidden, hidden]
    const float* bias;       // [hidden]: of the candidate's recurrent part
    const float* initial;    // [batch, hidden]
    float* states;           // [steps, batch, hidden]
    int steps, batch, hidden;
};

__device__ float sigmoid(float x) {
    return 1.0f / (1.0f + __expf(-x));
}

__device__ float dot(float4 a, float4 b, float total) {
    total = fmaf(a.x, b.x, total);
    total = fmaf(a.y, b.y, total);
    total = fmaf(a.z, b.z, total);
    return fmaf(a.w, b.w, total);
}

__device__ float4 four(const float* start) {
    return *reinterpret_cast<const float4*>(start);
}

__device__ void keep(float* kept, const float* start) {
    *reinterpret_cast<float4*>(kept) = four(start);
}

__global__ void __launch_bounds__(256, 1) gru_forward(const __grid_constant__ Gru gru) {
    extern __shared__ __align__(16) float grugen_smem[];
    const int hidden = gru.hidden;
    const int batch = gru.batch;
    const int first = blockIdx.x * units;
    const int stride = hidden + 4;
    float* rows = grugen_smem;                 // [3 units, stride]
    float* state = rows + 3 * units * stride;  // [batch, stride]
    for (int i = threadIdx.x; i < 3 * units * hidden / 4; i += blockDim.x) {
        const int row = i / (hidden / 4);
        const int k = i % (hidden / 4) * 4;
        const int source = row / units * hidden + first + row % units;
        keep(rows + row * stride + k, gru.recurrent + source * hidden + k);
    }
    for (int t = 0; t < gru.steps; ++t) {
        const float* before = t ? gru.states + (t - 1) * batch * hidden : gru.initial;
        for (int i = threadIdx.x; i < batch * hidden / 4; i += blockDim.x) {
            const int b = i / (hidden / 4);
            const int k = i % (hidden / 4) * 4;
            keep(state + b * stride + k, before + b * hidden + k);
        }
        __syncthreads();
        const int lane = threadIdx.x % split;
        for (int o = threadIdx.x / split; o < batch * units; o += blockDim.x / split) {
            const int b = o / units;
            const int unit = o % units;
            const int j = first + unit;
            float r = 0, z = 0, n = 0;
            for (int k = lane * 4; k < hidden; k += 4 * split) {
                const float4 h = four(state + b * stride + k);
                r = dot(four(rows + (0 * units + unit) * stride + k), h, r);
                z = dot(four(rows + (1 * units + unit) * stride + k), h, z);
                n = dot(four(rows + (2 * units + unit) * stride + k), h, n);
            }
            for (int delta = split / 2; delta; delta /= 2) {
                r += __shfl_xor_sync(~0u, r, delta);
                z += __shfl_xor_sync(~0u, z, delta);
                n += __shfl_xor_sync(~0u, n, delta);
            }
            if (lane == 0) {
                const float* x = gru.projected + (t * batch + b) * 3 * hidden;
                r = sigmoid(x[j] + r);
                z = sigmoid(x[hidden + j] + z);
                n = tanhf(x[2 * hidden + j] + r * (n + gru.bias[j]));
                const float h = state[b * stride + j];
                gru.states[(t * batch + b) * hidden + j] = n + z * (h - n);
            }
        }
        cg::this_grid().sync();
    }
}

#define TRY(call) \
    if (const cudaError_t status = (call)) return status

static cudaError_t on_device(const float*& array, size_t count) {
    float* copy = nullptr;
    TRY(cudaMalloc(&copy, count * sizeof(float)));
    TRY(cudaMemcpy(copy, array, count * sizeof(float), cudaMemcpyHostToDevice));
    array = copy;
    return cudaSuccess;
}

/// Blocks of `threads`; hidden must be a multiple of 8, and all lanes must have the same work.
EXPORTED int run_gru(const float* projected, const float* recurrent, const float* bias,
                     const float* initial, float* states, int steps, int batch, int hidden,
                     int threads) {
    Gru gru{projected, recurrent, bias, initial, nullptr, steps, batch, hidden};
    const size_t size = static_cast<size_t>(batch) * hidden;
    TRY(on_device(gru.projected, steps * size * 3));
    TRY(on_device(gru.recurrent, static_cast<size_t>(3) * hidden * hidden));
    TRY(on_device(gru.bias, hidden));
    TRY(on_device(gru.initial, size));
    TRY(cudaMalloc(&gru.states, steps * size * sizeof(float)));
    const size_t shared = (3 * units + batch) * (hidden + 4) * sizeof(float);
    TRY(cudaFuncSetAttribute(gru_forward, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(shared)));
    void* arguments[] = {&gru};
    TRY(cudaLaunchCooperativeKernel(gru_forward, dim3(hidden / units), dim3(threads), arguments,
                                    shared, nullptr));
    TRY(cudaMemcpy(states, gru.states, steps * size * sizeof(float), cudaMemcpyDeviceToHost));
    for (const float* array : {gru.projected, gru.recurrent, gru.bias, gru.initial}) {
        TRY(cudaFree(const_cast<float*>(array)));
    }
    return cudaFree(gru.states);
}
