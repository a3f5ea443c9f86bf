// Products on tensor cores: each warp a tile of 16 by 16, the left side by asynchronous copies into
// two buffers.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_pipeline_primitives.h>
#include <mma.h>

#include "entry.h"

using namespace nvcuda;

constexpr int tile = 16;
constexpr int depth = 64;
constexpr int columns = 64;

template <class T>
__device__ void product(const T* left, const T* right, float* result) {
    __shared__ __align__(32) T kept[2][tile * tile];
    const int column = threadIdx.x / 32 * tile;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> total;
    wmma::fill_fragment(total, 0.0f);
    const auto fetch = [&](int buffer, int k) {
        if (threadIdx.x < 32) {
            const int row = threadIdx.x / 2;
            const int offset = threadIdx.x % 2 * 8;
            __pipeline_memcpy_async(&kept[buffer][row * tile + offset],
                                    &left[row * depth + k + offset], 16);
        }
        __pipeline_commit();
    };
    fetch(0, 0);
    for (int k = 0, buffer = 0; k < depth; k += tile, buffer ^= 1) {
        if (k + tile < depth) {
            fetch(buffer ^ 1, k + tile);
        } else {
            __pipeline_commit();
        }
        __pipeline_wait_prior(1);
        __syncthreads();
        wmma::fragment<wmma::matrix_a, 16, 16, 16, T, wmma::row_major> a;
        wmma::fragment<wmma::matrix_b, 16, 16, 16, T, wmma::col_major> b;
        wmma::load_matrix_sync(a, kept[buffer], tile);
        wmma::load_matrix_sync(b, right + column * depth + k, depth);
        wmma::mma_sync(total, a, b, total);
        __syncthreads();
    }
    for (int i = 0; i < total.num_elements; ++i) total.x[i] = total.x[i] * 0.5f;
    wmma::store_matrix_sync(result + column, total, columns, wmma::mem_row_major);
}

__device__ __half kept_as(float value, __half) {
    return __float2half(value);
}
__device__ __nv_bfloat16 kept_as(float value, __nv_bfloat16) {
    return __float2bfloat16(value);
}

/// left [tile, depth], right [columns, depth] and the result one after another in `numbers`.
template <class T>
__device__ void converted_product(float* numbers) {
    T* left = reinterpret_cast<T*>(numbers + 2 * depth * (tile + columns));
    T* right = left + tile * depth;
    for (int i = threadIdx.x; i < (tile + columns) * depth; i += blockDim.x) {
        left[i] = kept_as(numbers[i], T());
    }
    __syncthreads();
    product(left, right, numbers + depth * (tile + columns));
}

__global__ void product_half(float* numbers) {
    converted_product<__half>(numbers);
}
__global__ void product_bf16(float* numbers) {
    converted_product<__nv_bfloat16>(numbers);
}

__global__ void product_tf32(float* numbers) {
    const float* left = numbers;
    const float* right = numbers + tile * depth + threadIdx.x / 32 * tile * depth;
    float* result = numbers + depth * (tile + columns) + threadIdx.x / 32 * tile;
    wmma::fragment<wmma::accumulator, 16, 16, 8, float> total;
    wmma::fill_fragment(total, 0.0f);
    for (int k = 0; k < depth; k += 8) {
        wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> a;
        wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::col_major> b;
        wmma::load_matrix_sync(a, left + k, depth);
        wmma::load_matrix_sync(b, right + k, depth);
        for (auto& element : a.x) element = wmma::__float_to_tf32(element);
        for (auto& element : b.x) element = wmma::__float_to_tf32(element);
        wmma::mma_sync(total, a, b, total);
    }
    wmma::store_matrix_sync(result, total, columns, wmma::mem_row_major);
}

__device__ void multiply_by_lanes(float (&sums)[4], const unsigned (&left)[4],
                                   const unsigned (&right)[2]) {
#ifdef GRUGEN_EMULATOR
    emulator::multiply_tf32(sums, left, right, sums);
#else
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right[0]), "r"(right[1]));
#endif
}

/// The instruction itself: PTX does say where a lane's elements are.
__global__ void product_registers(float* numbers) {
    const int group = threadIdx.x % 32 / 4, place = threadIdx.x % 4;
    const auto bits = [](float number) {
        return __float_as_uint(wmma::__float_to_tf32(number));
    };
    for (int side = 0; side < tile; side += 8) {
        const int column = threadIdx.x / 32 * tile + side;
        const float* left = numbers + group * depth + place;
        const float* right = numbers + (tile + column + group) * depth + place;
        float sums[4] = {};
        for (int k = 0; k < depth; k += 8) {
            const unsigned a[4] = {bits(left[k]), bits(left[8 * depth + k]), bits(left[k + 4]),
                                   bits(left[8 * depth + k + 4])};
            const unsigned b[2] = {bits(right[k]), bits(right[k + 4])};
            multiply_by_lanes(sums, a, b);
        }
        float* result = numbers + depth * (tile + columns) + group * columns + column + 2 * place;
        result[0] = sums[0];
        result[1] = sums[1];
        result[8 * columns] = sums[2];
        result[8 * columns + 1] = sums[3];
    }
}

__device__ void multiply_pairs_by_lanes(float (&sums)[4], const unsigned (&left)[4],
                                         const unsigned (&right)[2]) {
#ifdef GRUGEN_EMULATOR
    emulator::multiply_bfloat16(sums, left, right, sums);
#else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right[0]), "r"(right[1]));
#endif
}

/// The same of bfloat16: a register has two elements that follow each other.
__global__ void product_pairs(float* numbers) {
    const int group = threadIdx.x % 32 / 4, place = threadIdx.x % 4;
    const auto pair = [](const float* two) {
        const unsigned first = __bfloat16_as_ushort(__float2bfloat16_rn(two[0]));
        return first | static_cast<unsigned>(__bfloat16_as_ushort(__float2bfloat16_rn(two[1]))) << 16;
    };
    for (int side = 0; side < tile; side += 8) {
        const int column = threadIdx.x / 32 * tile + side;
        const float* left = numbers + group * depth + 2 * place;
        const float* right = numbers + (tile + column + group) * depth + 2 * place;
        float sums[4] = {};
        for (int k = 0; k < depth; k += 16) {
            const unsigned a[4] = {pair(left + k), pair(left + 8 * depth + k), pair(left + k + 8),
                                   pair(left + 8 * depth + k + 8)};
            const unsigned b[2] = {pair(right + k), pair(right + k + 8)};
            multiply_pairs_by_lanes(sums, a, b);
        }
        float* result = numbers + depth * (tile + columns) + group * columns + column + 2 * place;
        result[0] = sums[0];
        result[1] = sums[1];
        result[8 * columns] = sums[2];
        result[8 * columns + 1] = sums[3];
    }
}

/// Four matrices of eight lines, of which each lane says where one is.
template <bool TURNED>
__device__ void load_by_lanes(unsigned (&words)[4], const void* line) {
#ifdef GRUGEN_EMULATOR
    emulator::load_matrices(words, line, TURNED);  // at unaligned_line
#else
    const unsigned at = static_cast<unsigned>(__cvta_generic_to_shared(line));
    if (TURNED) {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                     : "r"(at));
    } else {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                     : "r"(at));
    }
#endif
}

/// Each lane's share of matrices of numbers in their order, as lines or, if `TURNED`, as columns.
template <bool TURNED>
__device__ void loaded(float* numbers) {
    __shared__ __align__(16) unsigned short kept[32][8];
    float* own = numbers + 8 * threadIdx.x;
    for (int i = 0; i < 8; ++i) {
        kept[threadIdx.x][i] = static_cast<unsigned short>(8 * threadIdx.x + i);
    }
    __syncwarp();
    unsigned words[4] = {};
    load_by_lanes<TURNED>(words, kept[threadIdx.x]);
    for (int m = 0; m < 4; ++m) {
        own[2 * m] = static_cast<float>(words[m] & 0xffffu);
        own[2 * m + 1] = static_cast<float>(words[m] >> 16);
    }
}
__global__ void loaded_lines(float* numbers) {
    loaded<false>(numbers);
}
ENTRY(loaded_lines, 1, 32)
__global__ void loaded_columns(float* numbers) {
    loaded<true>(numbers);
}
ENTRY(loaded_columns, 1, 32)

__global__ void unaligned_line(float* numbers) {
    __shared__ __align__(16) float kept[256];
    kept[threadIdx.x] = 1.0f;
    __syncwarp();
    unsigned words[4] = {};
    load_by_lanes<false>(words, kept + threadIdx.x + 1);
    numbers[threadIdx.x] = static_cast<float>(words[0]);
}
ENTRY(unaligned_line, 1, 32)

/// Relies on where a lane's elements are, which CUDA does not say.
__global__ void guessed_map(float* numbers) {
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> total;
    for (int i = 0; i < total.num_elements; ++i) total.x[i] = threadIdx.x * 8 + i;
    wmma::store_matrix_sync(numbers, total, tile, wmma::mem_row_major);
}
ENTRY(guessed_map, 1, 32)

__global__ void unaligned(float* numbers) {
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> total;
    wmma::fill_fragment(total, 0.0f);
    wmma::store_matrix_sync(numbers + 1, total, tile, wmma::mem_row_major);  // at unaligned
}
ENTRY(unaligned, 1, 32)

template <class Kernel>
int multiply(Kernel* kernel, const float* left, const float* right, float* result) {
    float* numbers = nullptr;
    const size_t used = depth * (tile + columns);
    if (const cudaError_t status = cudaMalloc(&numbers, 4 * used * sizeof(float))) return status;
    const size_t bytes = tile * depth * sizeof(float);
    cudaMemcpy(numbers, left, bytes, cudaMemcpyHostToDevice);
    cudaMemcpy(numbers + tile * depth, right, columns * depth * sizeof(float),
               cudaMemcpyHostToDevice);
    void* arguments[] = {&numbers};
    cudaError_t status = cudaLaunchKernel(kernel, dim3(1), dim3(128), arguments, 0, nullptr);
    if (!status) {
        status = cudaMemcpy(result, numbers + used, tile * columns * sizeof(float),
                            cudaMemcpyDeviceToHost);
    }
    cudaFree(numbers);
    return status;
}

EXPORTED int multiply_half(const float* left, const float* right, float* result) {
    return multiply(product_half, left, right, result);
}
EXPORTED int multiply_bf16(const float* left, const float* right, float* result) {
    return multiply(product_bf16, left, right, result);
}
EXPORTED int multiply_tf32(const float* left, const float* right, float* result) {
    return multiply(product_tf32, left, right, result);
}
EXPORTED int multiply_registers(const float* left, const float* right, float* result) {
    return multiply(product_registers, left, right, result);
}
EXPORTED int multiply_pairs(const float* left, const float* right, float* result) {
    return multiply(product_pairs, left, right, result);
}
