// Right kernels: what warps, blocks, grids and clusters can do.
#include <cooperative_groups.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "entry.h"

namespace cg = cooperative_groups;

__global__ void shuffles(float* results) {
    const int i = threadIdx.x;
    const float value = i;
    results[i] = __shfl_sync(~0u, value, 5);
    results[64 + i] = __shfl_xor_sync(~0u, value, 3);
    results[128 + i] = __shfl_down_sync(~0u, value, 2);
    results[192 + i] = __shfl_up_sync(~0u, value, 2);
    results[256 + i] = __shfl_sync(~0u, value, 9, 8);
    results[320 + i] = __shfl_xor_sync(~0u, value, 9, 8);
    results[384 + i] = __shfl_down_sync(~0u, value, 3, 8);
    results[448 + i] = __shfl_up_sync(~0u, value, 3, 8);
}
ENTRY(shuffles)

__global__ void votes(int* results) {
    const int i = threadIdx.x;
    const int alive = __popc(__activemask());
    __syncwarp();
    results[i] = __ballot_sync(~0u, i & 1) == 0xaaaaaaaau;
    results[64 + i] = __any_sync(~0u, i == 3);
    results[128 + i] = __all_sync(~0u, i < 32);
    results[192 + i] = __syncthreads_count(i % 3 == 0);
    results[256 + i] = __syncthreads_or(i == 63);
    results[320 + i] = __syncthreads_and(i != 63);
    results[384 + i] = __reduce_add_sync(~0u, i);
    results[448 + i] = __reduce_max_sync(~0u, i);
    results[512 + i] = __reduce_min_sync(~0u, i);
    results[576 + i] = alive;
}
ENTRY(votes)

__global__ void part_of_a_warp(float* results) {
    const int i = threadIdx.x;
    results[i] = -1;
    if (i < 8) results[i] = __shfl_xor_sync(0xffu, static_cast<float>(i), 7);
    __syncwarp();
}
ENTRY(part_of_a_warp, 1, 32)

__global__ void tiles(float* results) {
    const auto tile = cg::tiled_partition<8>(cg::this_thread_block());
    float total = threadIdx.x;
    for (int delta = 4; delta; delta /= 2) total += tile.shfl_down(total, delta);
    tile.sync();
    results[threadIdx.x] = tile.shfl(total, 0);
    results[64 + threadIdx.x] = tile.thread_rank();
    results[128 + threadIdx.x] = tile.meta_group_rank();
}
ENTRY(tiles)

__global__ void atomics(int* results) {
    const int i = threadIdx.x;
    if (i < 8) results[i] = i == 3 ? 100 : 0;
    __syncthreads();
    atomicAdd(&results[0], i);
    atomicMax(&results[1], i);
    atomicMin(&results[2], -i);
    atomicSub(&results[3], 1);
    if (atomicCAS(&results[4], 0, i + 1) == 0) atomicExch(&results[5], i + 1);
    atomicOr(&results[6], 1 << i % 32);
}
ENTRY(atomics)

__global__ void halves(float* results) {
    const int i = threadIdx.x;
    const __nv_bfloat16 rounded = __float2bfloat16(1.0f + i / 512.0f);
    const __half small = __float2half(0.5f * i);
    results[i] = __bfloat162float(rounded);
    results[64 + i] = __half2float(__hadd(small, small));
    const float2 both = __bfloat1622float2(__floats2bfloat162_rn(i, -i));
    results[128 + i] = both.x - both.y;
}
ENTRY(halves)

__global__ void numbers(float* results) {
    const int i = threadIdx.x;
    const float x = 0.25f * i - 8;
    results[i] = __fdividef(1.0f, 1.0f + __expf(-x));
    results[64 + i] = tanhf(x);
    results[128 + i] = log1pf(expf(-fabsf(x)));
    results[192 + i] = fmaf(x, x, __frcp_rn(2.0f));
    results[256 + i] = __uint_as_float(__float_as_uint(x) & 0x7fffffffu);
    const float4 four = make_float4(x, 1, 2, 3);
    results[320 + i] = four.x + four.y + four.z + four.w;
    __stcg(&results[384 + i], x);
    results[448 + i] = __ldcg(&results[384 + i]) + __ldg(&results[384 + i]);
}
ENTRY(numbers)

__global__ void places(int* results) {
    const auto block = cg::this_thread_block();
    const auto grid = cg::this_grid();
    grid.sync();
    const int i = static_cast<int>(grid.thread_rank());
    results[i] = static_cast<int>(block.thread_rank() + 1000 * block.group_index().x);
    cg::sync(grid);
    results[256 + i] = results[255 - i];
}
ENTRY(places, 4, 64, 0, true)

/// A value goes round a ring of clusters' blocks by their shared memory.
__global__ void ring(float* results) {
    extern __shared__ float grugen_smem[];
    auto cluster = cg::this_cluster();
    const unsigned rank = cluster.block_rank();
    grugen_smem[threadIdx.x] = blockIdx.x;
    cluster.sync();
    for (unsigned step = 1; step < cluster.num_blocks(); ++step) {
        float* next = cluster.map_shared_rank(grugen_smem, (rank + step) % cluster.num_blocks());
        next[64 * step + threadIdx.x] = grugen_smem[threadIdx.x];
    }
    cluster.sync();
    float total = 0;
    for (unsigned step = 0; step < cluster.num_blocks(); ++step) {
        total += grugen_smem[64 * step + threadIdx.x];
    }
    results[blockIdx.x * 64 + threadIdx.x] = total;
}
ENTRY(ring, 8, 64, 4 * 64 * sizeof(float), false, 4)

__device__ unsigned arrived;

#ifdef GRUGEN_EMULATOR
__device__ void arrive(unsigned* count) {
    emulator::add_release(count, 1u);
}
__device__ unsigned look(const unsigned* count) {
    return emulator::load_acquire(count);
}
#else
__device__ void arrive(unsigned* count) {
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(count) : "memory");
}
__device__ unsigned look(const unsigned* count) {
    unsigned seen;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(count) : "memory");
    return seen;
}
#endif

/// A barrier of one instruction each to arrive and to look.
__global__ void acquired(float* results) {
    const int i = blockIdx.x * 64 + threadIdx.x;
    if (i == 0) arrived = 0;
    cg::this_grid().sync();
    results[i] = i;
    __syncthreads();
    if (threadIdx.x == 0) {
        arrive(&arrived);
        while (look(&arrived) < gridDim.x) {
        }
    }
    __syncthreads();
    results[256 + i] = results[255 - i];
}
ENTRY(acquired, 4, 64, 0, true)

__device__ unsigned long long posts[256];

#ifdef GRUGEN_EMULATOR
__device__ void post(unsigned long long* to, unsigned long long value) {
    emulator::store_relaxed(to, value);
}
__device__ unsigned long long posted(const unsigned long long* from) {
    // no more than a look: who waits lets others run
    return emulator::load_relaxed(from);
}
#else
__device__ void post(unsigned long long* to, unsigned long long value) {
    asm volatile("st.relaxed.gpu.global.b64 [%0], %1;" ::"l"(to), "l"(value) : "memory");
}
__device__ unsigned long long posted(const unsigned long long* from) {
    unsigned long long seen;
    asm volatile("ld.relaxed.gpu.global.b64 %0, [%1];" : "=l"(seen) : "l"(from) : "memory");
    return seen;
}
#endif

/// Numbers that say themselves which turn they are of: nothing else needs an order.
__global__ void relaxed(float* results) {
    const int i = blockIdx.x * 64 + threadIdx.x;
    posts[i] = 0;
    cg::this_grid().sync();
    unsigned long long sum = i;
    for (unsigned long long turn = 1; turn <= 3; ++turn) {
        post(&posts[i], turn << 32 | sum);
        unsigned long long seen = 0;
        while ((seen = posted(&posts[(i + 64) % 256])) >> 32 != turn) __nanosleep(20);
        sum += seen & 0xffffffffu;
        // all have seen it before the next one takes its place
        cg::this_grid().sync();
    }
    results[i] = sum;
}
ENTRY(relaxed, 4, 64, 0, true)
