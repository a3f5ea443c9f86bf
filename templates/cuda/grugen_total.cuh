// Sums over all rows of all sequences, formed when every row is there: weight gradients as products
// of blocks of rows, sums of vectors, and sums over the steps of each sequence. Every sum is formed
// in an order that follows from the sizes alone: parts over slices of the rows, then the sum of the
// parts.
#pragma once

#include <stdint.h>

#include "grugen_memory.cuh"
#include "grugen_rows.cuh"

// Rows of a value that is kept for all of them.
struct grugen_kept {
    const GRUGEN_REAL *values; // row r starts at values + r * stride
    int64_t stride;
    int64_t units;
};

// A matrix that is summed up: left (outer) right, and where its parts are.
struct grugen_outer {
    grugen_kept left, right;
    GRUGEN_REAL *total; // (left units, right units)
};

// A vector that is summed up, over all rows or over those of each sequence.
struct grugen_summand {
    grugen_kept kept;
    GRUGEN_REAL *total; // (units), or (B, units)
};

// What one launch sums up.
template <class Member, int COUNT>
struct grugen_list {
    Member of[COUNT];
};

enum {
    GRUGEN_OUTER_TILE = 64, // units of either operand that a block multiplies
    GRUGEN_OUTER_DEPTH = 16, // rows in shared memory at a time
    GRUGEN_OUTER_THREADS = 256,
    GRUGEN_OUTER_SIDE = 4, // a thread has so many units of either operand
    GRUGEN_OUTER_BLOCKS = 528, // enough to fill a device: rows are sliced until there are so many
    GRUGEN_OUTER_SLICE = 128, // into slices of no fewer rows
    GRUGEN_VECTOR_UNITS = 32,
    GRUGEN_VECTOR_LINES = 8,
    GRUGEN_VECTOR_SLICE = 128,
};

__host__ __device__ inline int64_t grugen_outer_tiles(int64_t units)
{
    return (units + GRUGEN_OUTER_TILE - 1) / GRUGEN_OUTER_TILE;
}

// Into how many slices the rows are cut.
static inline int64_t grugen_slices(int64_t rows, int64_t tiles, int64_t shortest)
{
    const int64_t most = (rows + shortest - 1) / shortest;
    const int64_t wanted = (GRUGEN_OUTER_BLOCKS + tiles - 1) / tiles;
    const int64_t slices = wanted < most ? wanted : most;
    return slices < 1 ? 1 : slices;
}

// The slices of a list's largest member, which all of its members are cut into.
template <int COUNT>
static inline int64_t
grugen_outer_slices(const grugen_list<grugen_outer, COUNT> &list, int64_t rows)
{
    int64_t tiles = 0;
    for (const grugen_outer &member : list.of) {
        tiles += grugen_outer_tiles(member.left.units) * grugen_outer_tiles(member.right.units);
    }
    return grugen_slices(rows, tiles, GRUGEN_OUTER_SLICE);
}

// Elements of the parts of a list's sums.
template <int COUNT>
static inline int64_t
grugen_outer_parts(const grugen_list<grugen_outer, COUNT> &list, int64_t rows)
{
    int64_t size = 0;
    for (const grugen_outer &member : list.of) { size += member.left.units * member.right.units; }
    return size * grugen_outer_slices(list, rows);
}

template <int COUNT>
static inline int64_t
grugen_vector_parts(const grugen_list<grugen_summand, COUNT> &list, int64_t rows)
{
    int64_t size = 0;
    for (const grugen_summand &member : list.of) { size += member.kept.units; }
    return size * grugen_slices(rows, 1, GRUGEN_VECTOR_SLICE);
}

// One tile of one member's product over one slice of the rows, as a part of the total.
template <int COUNT>
static __global__ void __launch_bounds__(GRUGEN_OUTER_THREADS) grugen_outer_kernel(
    const __grid_constant__ grugen_list<grugen_outer, COUNT> list,
    const grugen_call_rows rows,
    GRUGEN_REAL *parts)
{
    __shared__ GRUGEN_REAL left[GRUGEN_OUTER_DEPTH][GRUGEN_OUTER_TILE + 4];
    __shared__ GRUGEN_REAL right[GRUGEN_OUTER_DEPTH][GRUGEN_OUTER_TILE + 4];
    const grugen_outer &member = list.of[blockIdx.y];
    for (unsigned before = 0; before < blockIdx.y; ++before) {
        parts += list.of[before].left.units * list.of[before].right.units * gridDim.z;
    }
    const int64_t tiles_right = grugen_outer_tiles(member.right.units);
    const int64_t tile_left = blockIdx.x / tiles_right * GRUGEN_OUTER_TILE;
    const int64_t tile_right = blockIdx.x % tiles_right * GRUGEN_OUTER_TILE;
    // the members of a list need not have the same number of tiles
    if (tile_left >= member.left.units) { return; }
    const int64_t count = rows.count();
    const int64_t slice = (count + gridDim.z - 1) / gridDim.z;
    const int64_t first = slice * blockIdx.z;
    const int64_t last = first + slice < count ? first + slice : count;
    const int thread = (int)threadIdx.x;
    const int side = GRUGEN_OUTER_TILE / GRUGEN_OUTER_SIDE;
    const int own_left = thread / side * GRUGEN_OUTER_SIDE;
    const int own_right = thread % side * GRUGEN_OUTER_SIDE;
    GRUGEN_REAL sums[GRUGEN_OUTER_SIDE][GRUGEN_OUTER_SIDE] = {};
    for (int64_t row = first; row < last; row += GRUGEN_OUTER_DEPTH) {
        for (int item = thread; item < GRUGEN_OUTER_DEPTH * GRUGEN_OUTER_TILE;
             item += GRUGEN_OUTER_THREADS) {
            const int line = item / GRUGEN_OUTER_TILE;
            const int unit = item % GRUGEN_OUTER_TILE;
            const bool is_there = row + line < last && rows.locate(row + line).alive;
            const int64_t j = tile_left + unit;
            const int64_t k = tile_right + unit;
            left[line][unit] = is_there && j < member.left.units
                ? member.left.values[(row + line) * member.left.stride + j]
                : (GRUGEN_REAL)0;
            right[line][unit] = is_there && k < member.right.units
                ? member.right.values[(row + line) * member.right.stride + k]
                : (GRUGEN_REAL)0;
        }
        __syncthreads();
#pragma unroll
        for (int line = 0; line < GRUGEN_OUTER_DEPTH; ++line) {
            GRUGEN_REAL a[GRUGEN_OUTER_SIDE], b[GRUGEN_OUTER_SIDE];
#pragma unroll
            for (int i = 0; i < GRUGEN_OUTER_SIDE; ++i) {
                a[i] = left[line][own_left + i];
                b[i] = right[line][own_right + i];
            }
#pragma unroll
            for (int i = 0; i < GRUGEN_OUTER_SIDE; ++i) {
#pragma unroll
                for (int k = 0; k < GRUGEN_OUTER_SIDE; ++k) { sums[i][k] += a[i] * b[k]; }
            }
        }
        __syncthreads();
    }
    parts += blockIdx.z * member.left.units * member.right.units;
#pragma unroll
    for (int i = 0; i < GRUGEN_OUTER_SIDE; ++i) {
#pragma unroll
        for (int k = 0; k < GRUGEN_OUTER_SIDE; ++k) {
            const int64_t j = tile_left + own_left + i;
            const int64_t u = tile_right + own_right + k;
            if (j < member.left.units && u < member.right.units) {
                parts[j * member.right.units + u] = sums[i][k];
            }
        }
    }
}

// The parts of a list's matrices added up, in order.
template <int COUNT>
static __global__ void grugen_outer_sum_kernel(
    const __grid_constant__ grugen_list<grugen_outer, COUNT> list,
    const int64_t slices,
    const GRUGEN_REAL *parts)
{
    const grugen_outer &member = list.of[blockIdx.y];
    for (unsigned before = 0; before < blockIdx.y; ++before) {
        parts += list.of[before].left.units * list.of[before].right.units * slices;
    }
    const int64_t size = member.left.units * member.right.units;
    for (int64_t item = blockIdx.x * blockDim.x + threadIdx.x; item < size;
         item += gridDim.x * blockDim.x) {
        GRUGEN_REAL sum = 0;
        for (int64_t slice = 0; slice < slices; ++slice) { sum += parts[slice * size + item]; }
        member.total[item] = sum;
    }
}

// The sum of 32 units of one member over one slice of the rows.
template <int COUNT>
static __global__ void __launch_bounds__(GRUGEN_VECTOR_UNITS *GRUGEN_VECTOR_LINES)
    grugen_vector_kernel(
        const __grid_constant__ grugen_list<grugen_summand, COUNT> list,
        const grugen_call_rows rows,
        GRUGEN_REAL *parts)
{
    __shared__ GRUGEN_REAL lines[GRUGEN_VECTOR_LINES][GRUGEN_VECTOR_UNITS];
    const grugen_summand &member = list.of[blockIdx.y];
    for (unsigned before = 0; before < blockIdx.y; ++before) {
        parts += list.of[before].kept.units * gridDim.z;
    }
    const int64_t unit = (int64_t)blockIdx.x * GRUGEN_VECTOR_UNITS + threadIdx.x % GRUGEN_VECTOR_UNITS;
    const int line = (int)threadIdx.x / GRUGEN_VECTOR_UNITS;
    const int64_t count = rows.count();
    const int64_t slice = (count + gridDim.z - 1) / gridDim.z;
    const int64_t first = slice * blockIdx.z;
    const int64_t last = first + slice < count ? first + slice : count;
    GRUGEN_REAL sum = 0;
    if (unit < member.kept.units) {
#pragma unroll 4
        for (int64_t row = first + line; row < last; row += GRUGEN_VECTOR_LINES) {
            if (rows.locate(row).alive) { sum += member.kept.values[row * member.kept.stride + unit]; }
        }
    }
    lines[line][threadIdx.x % GRUGEN_VECTOR_UNITS] = sum;
    __syncthreads();
    if (line > 0 || unit >= member.kept.units) { return; }
    for (int other = 1; other < GRUGEN_VECTOR_LINES; ++other) {
        sum += lines[other][threadIdx.x % GRUGEN_VECTOR_UNITS];
    }
    parts[blockIdx.z * member.kept.units + unit] = sum;
}

// The parts of a list's vectors added up, in order.
template <int COUNT>
static __global__ void grugen_vector_sum_kernel(
    const __grid_constant__ grugen_list<grugen_summand, COUNT> list,
    const int64_t slices,
    const GRUGEN_REAL *parts)
{
    const grugen_summand &member = list.of[blockIdx.y];
    for (unsigned before = 0; before < blockIdx.y; ++before) {
        parts += list.of[before].kept.units * slices;
    }
    const int64_t unit = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (unit >= member.kept.units) { return; }
    GRUGEN_REAL sum = 0;
    for (int64_t slice = 0; slice < slices; ++slice) {
        sum += parts[slice * member.kept.units + unit];
    }
    member.total[unit] = sum;
}

// Sums over the steps of each sequence, a thread for each unit of each sequence.
template <int COUNT>
static __global__ void grugen_sequence_kernel(
    const __grid_constant__ grugen_list<grugen_summand, COUNT> list, const grugen_call_rows rows)
{
    const grugen_summand &member = list.of[blockIdx.y];
    const int64_t item = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (item >= rows.B * member.kept.units) { return; }
    const int64_t b = item / member.kept.units;
    const int64_t unit = item % member.kept.units;
    GRUGEN_REAL sum = 0;
    for (int64_t t = 0; t < grugen_length(rows.lengths, rows.T, b); ++t) {
        sum += member.kept.values[(t * rows.B + b) * member.kept.stride + unit];
    }
    member.total[item] = sum;
}

template <int COUNT>
static cudaError_t grugen_outer_totals(
    const grugen_list<grugen_outer, COUNT> &list,
    const grugen_call_rows rows,
    GRUGEN_REAL *parts,
    cudaStream_t stream)
{
    int64_t tiles = 1, largest = 1;
    for (const grugen_outer &member : list.of) {
        const int64_t left = grugen_outer_tiles(member.left.units);
        tiles = grugen_larger(tiles, left * grugen_outer_tiles(member.right.units));
        largest = grugen_larger(largest, member.left.units * member.right.units);
    }
    const int64_t slices = grugen_outer_slices(list, rows.T * rows.B);
    const dim3 blocks((unsigned)tiles, COUNT, (unsigned)slices);
    GRUGEN_TRY(grugen_start(
        grugen_outer_kernel<COUNT>, {blocks, GRUGEN_OUTER_THREADS, 0, false, stream}, list, rows,
        parts));
    const dim3 few((unsigned)((largest + 255) / 256 < 64 ? (largest + 255) / 256 : 64), COUNT);
    return grugen_start(
        grugen_outer_sum_kernel<COUNT>, {few, 256, 0, false, stream}, list, slices, parts);
}

template <int COUNT>
static cudaError_t grugen_vector_totals(
    const grugen_list<grugen_summand, COUNT> &list,
    const grugen_call_rows rows,
    GRUGEN_REAL *parts,
    cudaStream_t stream)
{
    int64_t units = 1;
    for (const grugen_summand &member : list.of) {
        units = grugen_larger(units, member.kept.units);
    }
    const int64_t groups = (units + GRUGEN_VECTOR_UNITS - 1) / GRUGEN_VECTOR_UNITS;
    const int64_t slices = grugen_slices(rows.T * rows.B, 1, GRUGEN_VECTOR_SLICE);
    const dim3 blocks((unsigned)groups, COUNT, (unsigned)slices);
    const int threads = GRUGEN_VECTOR_UNITS * GRUGEN_VECTOR_LINES;
    GRUGEN_TRY(grugen_start(
        grugen_vector_kernel<COUNT>, {blocks, threads, 0, false, stream}, list, rows, parts));
    const dim3 few((unsigned)((units + 255) / 256), COUNT);
    return grugen_start(
        grugen_vector_sum_kernel<COUNT>, {few, 256, 0, false, stream}, list, slices, parts);
}

template <int COUNT>
static cudaError_t grugen_sequence_totals(
    const grugen_list<grugen_summand, COUNT> &list,
    const grugen_call_rows rows,
    cudaStream_t stream)
{
    int64_t items = 1;
    for (const grugen_summand &member : list.of) {
        items = grugen_larger(items, rows.B * member.kept.units);
    }
    const dim3 blocks((unsigned)((items + 255) / 256), COUNT);
    return grugen_start(
        grugen_sequence_kernel<COUNT>, {blocks, 256, 0, false, stream}, list, rows);
}
