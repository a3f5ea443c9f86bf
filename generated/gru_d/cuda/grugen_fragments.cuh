// Products of a loop's matrices with vectors of bfloat16 on tensor cores: 16 units of each matrix with
// eight rows. The matrices stay in registers, and each warp of a block multiplies its share of the
// depth: 16 elements, and as many for every GRUGEN_STRIDE.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include "grugen_panel.cuh"
#include "grugen_product.cuh"
#include "grugen_tensor_sums.cuh"
#include "grugen_tiling.cuh"

enum {
    GRUGEN_UNITS = 16, // of a block
    GRUGEN_EIGHT = 8, // rows that are multiplied at once
    GRUGEN_STRIDE = 16 * GRUGEN_THREADS / GRUGEN_WARP, // elements that a block's warps have together
    GRUGEN_SHARE_LINE = GRUGEN_UNITS + 4, // sums of a row lie on other banks than those of the next
};

// Four elements of a vector: two for each half of what is multiplied at once.
struct grugen_pairs {
    uint32_t of[2];
};

__device__ __forceinline__ grugen_pairs grugen_pairs_of(const grugen_stored_four &four)
{
    return {{grugen_bits_of(four.of[0]) | grugen_bits_of(four.of[1]) << 16,
             grugen_bits_of(four.of[2]) | grugen_bits_of(four.of[3]) << 16}};
}

// The first element that this lane has of a vector; the next three are its, too. That the tensor core
// knows them by other numbers is all the same, if it is the same for both factors.
__device__ __forceinline__ int grugen_first_element(const grugen_team &team)
{
    return 16 * team.warp() + 4 * (team.lane() % 4);
}

// A lane's share of a panel.
template <int MATRICES, int STEPS>
struct grugen_fragments {
    uint32_t of[STEPS][MATRICES][4];
};

template <int MATRICES, int STEPS>
__device__ __forceinline__ void grugen_hold(
    const grugen_tile &at,
    const grugen_panel &panel,
    int depth,
    grugen_fragments<MATRICES, STEPS> *held)
{
    const int fours = (int)grugen_fours(depth);
    const int lane = (int)threadIdx.x % GRUGEN_WARP, warp = (int)threadIdx.x / GRUGEN_WARP;
    if (at.first == at.last) { return; }
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
        const int four = i * GRUGEN_STRIDE / 4 + 4 * warp + lane % 4;
#pragma unroll
        for (int upper = 0; upper < 2; ++upper) {
            // units beyond the last one do what that one does, and nobody looks at them
            const int wanted = at.first + 8 * upper + lane / 4;
            const int unit = (wanted < at.last ? wanted : at.last - 1) - panel.first;
#pragma unroll
            for (int m = 0; m < MATRICES; ++m) {
                const grugen_pairs pairs = four < fours
                    ? grugen_pairs_of(grugen_read(panel.fours + four * panel.line + m * panel.units + unit))
                    : grugen_pairs{};
                held->of[i][m][upper] = pairs.of[0];
                held->of[i][m][2 + upper] = pairs.of[1];
            }
        }
    }
}

// Whether a loop's blocks can hold a panel so: `steps` are the pieces that lanes have room for.
static inline bool
grugen_can_hold_fragments(int64_t units, int64_t depth, int64_t parts, int64_t steps)
{
    return grugen_most_units(units, parts) <= GRUGEN_UNITS && depth <= steps * GRUGEN_STRIDE;
}

// Elements of memory for the sums of all warps, and where a warp has those of a row.
__host__ __device__ inline int grugen_shares_before(int64_t rows, int sums, int warp)
{
    const int padded = (int)(rows + GRUGEN_EIGHT - 1) / GRUGEN_EIGHT * GRUGEN_EIGHT;
    return warp * sums * padded * GRUGEN_SHARE_LINE;
}

__host__ __device__ inline int grugen_shares_size(int64_t rows, int sums)
{
    return grugen_shares_before(rows, sums, GRUGEN_THREADS / GRUGEN_WARP);
}

template <int SUMS>
__device__ __forceinline__ int grugen_share_of(int rows, int warp, int sum, int row)
{
    return grugen_shares_before(rows, SUMS, warp) + grugen_shares_before(rows, 1, sum) +
        row * GRUGEN_SHARE_LINE;
}

// A warp's sums over its share of the depth. Two take turns: the next product need not wait.
template <int SUMS>
struct grugen_shares {
    float of[2][SUMS][4] = {};

    // Put them where other warps find them, in memory for `count` rows; these begin with `eight`.
    __device__ __forceinline__ void put(int count, int eight, float *memory) const
    {
        const int lane = (int)threadIdx.x % GRUGEN_WARP, warp = (int)threadIdx.x / GRUGEN_WARP;
        const int row = eight + 2 * (lane % 4), unit = lane / 4;
        float *const near = const_cast<float *>(grugen_near<true>(static_cast<const float *>(memory)));
#pragma unroll
        for (int sum = 0; sum < SUMS; ++sum) {
            float *const first = near + grugen_share_of<SUMS>(count, warp, sum, row) + unit;
            float *const second = first + GRUGEN_SHARE_LINE;
            first[0] = of[0][sum][0] + of[1][sum][0];
            second[0] = of[0][sum][1] + of[1][sum][1];
            first[8] = of[0][sum][2] + of[1][sum][2];
            second[8] = of[0][sum][3] + of[1][sum][3];
        }
    }
};

// Add the products of the matrices of a panel with eight rows' vectors to sums FIRST.., for the pieces
// from number `begin` on that were asked for. Of vectors that are posted together it is number WHICH.
template <int FIRST, int ROOM, int WHICH, int MATRICES, int STEPS, class Asked, int SUMS>
__device__ __forceinline__ void grugen_multiply(
    const grugen_fragments<MATRICES, STEPS> &held,
    int begin,
    const Asked &asked,
    grugen_shares<SUMS> &shares)
{
    // to multiply the zeros behind the end takes less than to ask where that is
#pragma unroll
    for (int i = 0; i < ROOM; ++i) {
        if (begin + i >= STEPS) { break; }
        const grugen_pairs pairs = asked.template pairs<WHICH>(i);
#pragma unroll
        for (int m = 0; m < MATRICES; ++m) {
            grugen_multiply_bfloat16(shares.of[i % 2][FIRST + m], held.of[begin + i][m], pairs.of);
        }
    }
}

// Add up what every SPLIT-th warp has put, from the part of a lane on.
template <int SPLIT, int SUMS>
__device__ __forceinline__ void grugen_add_some_shares(
    const grugen_tile &at, int count, const float *memory, float (&sums)[SUMS])
{
    const float *const first = grugen_near<true>(memory) +
        grugen_share_of<SUMS>(count, at.part, 0, at.row + at.member) + at.own;
    const int from_warp = SPLIT * grugen_shares_before(count, SUMS, 1);
    const int from_sum = grugen_shares_before(count, 1, 1);
    constexpr int warps = GRUGEN_THREADS / GRUGEN_WARP / SPLIT;
    float found[warps][SUMS];
#pragma unroll
    for (int i = 0; i < warps; ++i) {
#pragma unroll
        for (int sum = 0; sum < SUMS; ++sum) { found[i][sum] = first[i * from_warp + sum * from_sum]; }
    }
#pragma unroll
    for (int i = 0; i < warps; ++i) {
#pragma unroll
        for (int sum = 0; sum < SUMS; ++sum) { sums[sum] += found[i][sum]; }
    }
}

// Add up what the warps have put; two lanes that share a pair of a row and a unit have half of them.
template <int SUMS>
__device__ __forceinline__ void grugen_add_shares(
    const grugen_tile &at, int count, const float *memory, float (&sums)[1][SUMS])
{
    if (at.split > 1) {
        grugen_add_some_shares<2>(at, count, memory, sums[0]);
    } else {
        grugen_add_some_shares<1>(at, count, memory, sums[0]);
    }
}
