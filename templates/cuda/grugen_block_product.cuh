// Products for very many rows: a block of threads takes a tile of rows and units together, and goes
// through the depth in chunks that lie in shared memory. The sums are handed out through shared
// memory as well, so that neighbours write to neighbouring places.
#pragma once

#include <stdint.h>

#include "grugen_product.cuh"
#include "grugen_rows.cuh"
#include "grugen_tiling.cuh"

enum {
    GRUGEN_SIDE = 16, // threads along either side of a tile
    GRUGEN_CHUNK = 16, // elements of the depth in shared memory at a time
    GRUGEN_HELD = 96 / (int)sizeof(GRUGEN_REAL), // sums of a thread
};

// A thread's rows and units with so many sums for each; a tile has GRUGEN_SIDE times as many.
template <int SUMS>
struct grugen_shape {
    static constexpr int own_units = 4 * 4 * SUMS <= GRUGEN_HELD ? 4 : 4 * 2 * SUMS <= GRUGEN_HELD ? 2 : 1;
    static constexpr int own_rows = 4 * own_units * SUMS <= GRUGEN_HELD ? 4 : 2 * SUMS <= GRUGEN_HELD ? 2 : 1;
    static constexpr int rows = own_rows * GRUGEN_SIDE;
    static constexpr int units = own_units * GRUGEN_SIDE;
    static constexpr int items = rows * units;
    // rows begin where four elements can be read at once, on different banks
    static constexpr int row_stride = rows + 4;
    static constexpr int chunk = GRUGEN_CHUNK * (row_stride + SUMS * units);
    static constexpr int elements = chunk > items * SUMS ? chunk : items * SUMS;
};

// A block's shared memory: chunks of the operands, or sums; and where each row's vector is.
template <int SUMS>
struct grugen_block_memory {
    alignas(16) GRUGEN_REAL elements[grugen_shape<SUMS>::elements];
    const GRUGEN_REAL *vectors[grugen_shape<SUMS>::rows];
};

// One tile after the other of `count` rows and `units` units, for all blocks of a launch.
template <int SUMS>
struct grugen_block_tile {
    int tile, tiles, groups;
    int row;
    int unit;

    __device__ grugen_block_tile(int count, int units)
    {
        using shape = grugen_shape<SUMS>;
        groups = (units + shape::units - 1) / shape::units;
        tiles = groups * ((count + shape::rows - 1) / shape::rows);
        tile = (int)blockIdx.x;
        place();
    }

    __device__ bool more() const { return tile < tiles; }

    __device__ void place()
    {
        row = tile / groups * grugen_shape<SUMS>::rows;
        unit = tile % groups * grugen_shape<SUMS>::units;
    }

    __device__ void next()
    {
        tile += (int)gridDim.x;
        place();
    }
};

// Add the products of MATRICES packed matrices to sums FIRST.. of each row and unit of a thread.
// `vector_of(here)` is where a row's vector is.
template <int FIRST, int MATRICES, int SUMS, class Rows, class VectorOf>
__device__ __forceinline__ void grugen_multiply_tile(
    const grugen_block_tile<SUMS> &at,
    grugen_block_memory<SUMS> &memory,
    const Rows &rows,
    const grugen_panel &panel,
    int depth,
    const VectorOf &vector_of,
    GRUGEN_REAL (&sums)[grugen_shape<SUMS>::own_rows][grugen_shape<SUMS>::own_units][SUMS])
{
    using shape = grugen_shape<SUMS>;
    const int thread = (int)threadIdx.x;
    const int own_row = thread / GRUGEN_SIDE * shape::own_rows;
    const int own_unit = thread % GRUGEN_SIDE * shape::own_units;
    GRUGEN_REAL *const xs = memory.elements; // [depth][row]
    GRUGEN_REAL *const weights = xs + GRUGEN_CHUNK * shape::row_stride; // [depth][matrix][unit]
    // who reads vectors of the product before has passed a barrier since; who reads sums of the tile
    // before passes the next one, and only then they are overwritten
    if (thread < shape::rows) {
        const grugen_here here = rows.locate(at.row + thread);
        memory.vectors[thread] = here.alive ? vector_of(here) : nullptr;
    }
    __syncthreads();
    for (int start = 0; start < depth; start += GRUGEN_CHUNK) {
        for (int item = thread; item < shape::rows * GRUGEN_CHUNK; item += GRUGEN_THREADS) {
            const int k = item % GRUGEN_CHUNK;
            const GRUGEN_REAL *const vector = memory.vectors[item / GRUGEN_CHUNK];
            const bool is_there = vector != nullptr && start + k < depth;
            xs[k * shape::row_stride + item / GRUGEN_CHUNK] =
                is_there ? vector[start + k] : (GRUGEN_REAL)0;
        }
        for (int item = thread; item < GRUGEN_CHUNK / 4 * MATRICES * shape::units;
             item += GRUGEN_THREADS) {
            const int unit = item % shape::units;
            const int matrix = item / shape::units % MATRICES;
            const int four = item / (shape::units * MATRICES);
            const int line = start / 4 + four;
            const bool is_there = at.unit + unit < panel.units && 4 * line < depth;
            const grugen_four w = is_there
                ? panel.fours[(line * MATRICES + matrix) * panel.units + at.unit + unit]
                : grugen_four{};
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                weights[((4 * four + e) * MATRICES + matrix) * shape::units + unit] = w.of[e];
            }
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < GRUGEN_CHUNK; ++k) {
            GRUGEN_REAL x[shape::own_rows];
#pragma unroll
            for (int r = 0; r < shape::own_rows; ++r) { x[r] = xs[k * shape::row_stride + own_row + r]; }
#pragma unroll
            for (int m = 0; m < MATRICES; ++m) {
#pragma unroll
                for (int u = 0; u < shape::own_units; ++u) {
                    const GRUGEN_REAL w = weights[(k * MATRICES + m) * shape::units + own_unit + u];
#pragma unroll
                    for (int r = 0; r < shape::own_rows; ++r) { sums[r][u][FIRST + m] += w * x[r]; }
                }
            }
        }
        __syncthreads();
    }
}

// Put all sums of a tile where every thread of the block finds them.
template <int SUMS>
__device__ __forceinline__ void grugen_spread_sums(
    grugen_block_memory<SUMS> &memory,
    const GRUGEN_REAL (&sums)[grugen_shape<SUMS>::own_rows][grugen_shape<SUMS>::own_units][SUMS])
{
    using shape = grugen_shape<SUMS>;
    const int own_row = (int)threadIdx.x / GRUGEN_SIDE * shape::own_rows;
    const int own_unit = (int)threadIdx.x % GRUGEN_SIDE * shape::own_units;
#pragma unroll
    for (int r = 0; r < shape::own_rows; ++r) {
#pragma unroll
        for (int u = 0; u < shape::own_units; ++u) {
#pragma unroll
            for (int s = 0; s < SUMS; ++s) {
                const int item = (own_row + r) * shape::units + own_unit + u;
                memory.elements[s * shape::items + item] = sums[r][u][s];
            }
        }
    }
    __syncthreads();
}
