// Products for very many rows: a block of threads takes a tile of rows and units together, and goes
// through the depth in chunks, of which one is multiplied while the next is on its way to shared
// memory. The sums are handed out through shared memory as well, so that neighbours write to
// neighbouring places.
#pragma once

#include <stdint.h>

#include "grugen_fetch.cuh"
#include "grugen_memory.cuh"
#include "grugen_paired.cuh"
#include "grugen_panel.cuh"
#include "grugen_rows.cuh"
#include "grugen_shape.cuh"
#include "grugen_sums.cuh"
#include "grugen_tensor_sums.cuh"
#include "grugen_tiling.cuh"

// Add the products of so many chunks to sums FIRST.. of a tile. `fetch(chunk, xs, weights)` starts to
// bring one to shared memory: rows, and units matrix by matrix, as the shape lays out vectors.
template <int FIRST, int MATRICES, class Shape, class Fetch>
__device__ __forceinline__ void grugen_multiply_chunks(
    grugen_block_memory<Shape> &memory, int chunks, const Fetch &fetch, grugen_sums<Shape> &sums)
{
    const auto xs_of = [&](int chunk) {
        return memory.elements + chunk % GRUGEN_STAGES * Shape::chunk;
    };
    const auto start = [&](int chunk) {
        GRUGEN_REAL *const xs = xs_of(chunk);
        if (chunk < chunks) { fetch(chunk, xs, xs + Shape::weights); }
        __pipeline_commit();
    };
    // all have read the chunks of the product before, and where the vectors are is known
    __syncthreads();
#pragma unroll
    for (int chunk = 0; chunk < GRUGEN_STAGES - 1; ++chunk) { start(chunk); }
    for (int chunk = 0; chunk < chunks; ++chunk) {
        __pipeline_wait_prior(GRUGEN_STAGES - 2);
        // what all threads fetched of this chunk is there, and the one before has been read
        __syncthreads();
        start(chunk + GRUGEN_STAGES - 1);
        const GRUGEN_REAL *const xs = xs_of(chunk);
        sums.template add<FIRST, MATRICES>(xs, xs + Shape::weights);
    }
}

// Fetch a chunk of the vectors of a tile's rows; NULL is that of a row that does not exist. Eight
// threads fetch neighbouring elements of a row.
template <class Shape, class Element>
__device__ __forceinline__ void grugen_fetch_vectors(
    const void *const (&vectors)[Shape::rows], int start, int depth, GRUGEN_REAL *xs)
{
    constexpr int together = 8;
    constexpr int apart = Shape::threads / together;
    const int own_k = (int)threadIdx.x % together;
#pragma unroll
    for (int first = 0; first < Shape::rows; first += apart) {
        const int row = first + (int)threadIdx.x / together;
        if (Shape::rows < apart && row >= Shape::rows) { continue; }
        const Element *const vector = static_cast<const Element *>(vectors[row]);
#pragma unroll
        for (int k = own_k; k < own_k + GRUGEN_CHUNK; k += together) {
            grugen_fetch(
                xs + k * Shape::row_stride + row, vector + (start + k),
                vector != nullptr && start + k < depth);
        }
    }
}

// Fetch a chunk of MATRICES packed matrices for the units of a tile: four threads fetch the elements
// of a four.
template <int MATRICES, class Shape>
__device__ __forceinline__ void
grugen_fetch_weights(const grugen_panel &panel, int first, int start, int depth, GRUGEN_REAL *weights)
{
    constexpr int together = Shape::threads / 4;
    constexpr int across = Shape::units < together ? Shape::units : together;
    constexpr int down = together / across;
    const int e = (int)threadIdx.x % 4;
    const int own_unit = (int)threadIdx.x / 4 % across;
    const int own_four = (int)threadIdx.x / 4 / across;
    const GRUGEN_STORED *const from = panel.fours->of;
#pragma unroll
    for (int step = 0; step < GRUGEN_CHUNK / 4; step += down) {
        const int four = own_four + step;
        if (GRUGEN_CHUNK / 4 < down && four >= GRUGEN_CHUNK / 4) { continue; }
#pragma unroll
        for (int m = 0; m < MATRICES; ++m) {
#pragma unroll
            for (int apart = 0; apart < Shape::units; apart += across) {
                const int unit = own_unit + apart;
                const int item =
                    (start / 4 + four) * panel.line + m * panel.units + first + unit;
                grugen_fetch(
                    weights + (4 * four + e) * Shape::unit_stride + m * Shape::units + unit,
                    from + (4 * item + e),
                    start + 4 * four < depth && first + unit < panel.units);
            }
        }
    }
}

// Fetch a chunk of the vectors of a tile's rows as [row][depth]: four threads fetch a row's.
template <class Shape, class Element>
__device__ __forceinline__ void grugen_fetch_vectors_along(
    const void *const (&vectors)[Shape::rows], int start, int depth, GRUGEN_REAL *xs)
{
    constexpr int apart = Shape::threads / 4;
    const int k = (int)threadIdx.x % 4 * 4;
#pragma unroll
    for (int first = 0; first < Shape::rows; first += apart) {
        const int row = first + (int)threadIdx.x / 4;
        if (Shape::rows < apart && row >= Shape::rows) { continue; }
        const Element *const vector = static_cast<const Element *>(vectors[row]);
        grugen_fetch_wide(
            xs + row * Shape::row_stride + k, vector + (start + k),
            vector != nullptr ? depth - start - k : 0);
    }
}

// Fetch a chunk of MATRICES packed matrices as [matrix][unit][depth]: four threads fetch a unit's.
template <int MATRICES, class Shape>
__device__ __forceinline__ void grugen_fetch_weights_along(
    const grugen_panel &panel, int first, int start, int depth, GRUGEN_REAL *weights)
{
    constexpr int together = Shape::threads / 4;
    constexpr int across = Shape::units < together ? Shape::units : together;
    constexpr int down = together / across;
    const int four = (int)threadIdx.x % 4;
    const int own_unit = (int)threadIdx.x / 4 % across;
    const int own_matrix = (int)threadIdx.x / 4 / across;
    const grugen_stored_four *const from = panel.fours + (start / 4 + four) * panel.line + first;
#pragma unroll
    for (int step = 0; step < MATRICES; step += down) {
        const int m = own_matrix + step;
        if (MATRICES % down != 0 && m >= MATRICES) { continue; }
#pragma unroll
        for (int apart = 0; apart < Shape::units; apart += across) {
            const int unit = own_unit + apart;
            const bool is_there = start + 4 * four < depth && first + unit < panel.units;
            grugen_fetch_aligned(
                weights + (m * Shape::units + unit) * Shape::unit_stride + 4 * four,
                from[m * panel.units + unit].of, is_there ? 4 : 0);
        }
    }
}

// Add the products of MATRICES packed matrices to sums FIRST.. of each row and unit of a tile.
// `vector_of(here)` is where a row's vector is.
template <int FIRST, int MATRICES, class Shape, class Rows, class VectorOf>
__device__ __forceinline__ void grugen_multiply_tile(
    const grugen_block_tile<Shape> &at,
    grugen_block_memory<Shape> &memory,
    const Rows &rows,
    const grugen_panel &panel,
    int depth,
    const VectorOf &vector_of,
    grugen_sums<Shape> &sums)
{
    using element = typename grugen_pointed<decltype(vector_of(grugen_here{}))>::type;
    // who reads vectors of the product before has passed a barrier since
    for (int row = (int)threadIdx.x; row < Shape::rows; row += Shape::threads) {
        const grugen_here here = rows.locate(at.row + row);
        memory.vectors[row] = here.alive ? vector_of(here) : nullptr;
    }
    const int chunks = (depth + Shape::deep - 1) / Shape::deep;
    if constexpr (Shape::is_paired) {
        const grugen_paired_vectors<Shape, element> xs_from(
            memory.vectors, depth, at, rows, vector_of);
        grugen_multiply_chunks<FIRST, MATRICES>(
            memory, chunks,
            [&](int chunk, GRUGEN_REAL *xs, GRUGEN_REAL *weights) {
                const int start = chunk * Shape::deep;
                xs_from.fetch(start, xs);
                grugen_fetch_weights_paired<MATRICES, Shape>(panel, at.unit, start, depth, weights);
            },
            sums);
    } else {
        grugen_multiply_chunks<FIRST, MATRICES>(
            memory, chunks,
            [&](int chunk, GRUGEN_REAL *xs, GRUGEN_REAL *weights) {
                const int start = chunk * Shape::deep;
                if constexpr (Shape::is_along) {
                    grugen_fetch_vectors_along<Shape, element>(memory.vectors, start, depth, xs);
                    grugen_fetch_weights_along<MATRICES, Shape>(
                        panel, at.unit, start, depth, weights);
                } else {
                    grugen_fetch_vectors<Shape, element>(memory.vectors, start, depth, xs);
                    grugen_fetch_weights<MATRICES, Shape>(panel, at.unit, start, depth, weights);
                }
            },
            sums);
    }
}

// Put the sums of a slice of a tile's rows where every thread of the block finds them.
template <class Shape>
__device__ __forceinline__ void
grugen_spread_sums(int slice, const grugen_sums<Shape> &sums, grugen_block_memory<Shape> &memory)
{
    // all have read the last chunk, or the slice before
    __syncthreads();
    sums.put(slice, memory.elements);
    __syncthreads();
}

// How many tiles of a shape cover so many rows and units.
template <class Shape>
static inline int64_t grugen_count_tiles(int64_t rows, int64_t units)
{
    return (rows + Shape::rows - 1) / Shape::rows * ((units + Shape::units - 1) / Shape::units);
}

// Start a kernel for tiles of rows and units: in the largest that keep most processors busy. Each sum
// is formed in the same order in all of them.
template <
    int SUMS, grugen_arithmetic ARITHMETIC = GRUGEN_PRODUCTS, class... Parameters,
    class... Arguments>
static inline cudaError_t grugen_start_tiles(
    void (*large)(Parameters...),
    void (*middle)(Parameters...),
    void (*small)(Parameters...),
    int64_t rows,
    int64_t units,
    const grugen_device &device,
    cudaStream_t stream,
    Arguments &&...arguments)
{
    const auto start = [&](auto shape, void (*kernel)(Parameters...)) {
        using Shape = decltype(shape);
        const int64_t tiles = grugen_count_tiles<Shape>(rows, units);
        const dim3 blocks((unsigned)grugen_larger(tiles, 1));
        const int64_t shared = sizeof(grugen_block_memory<Shape>);
        return grugen_start(
            kernel, {blocks, Shape::threads, shared, false, stream},
            std::forward<Arguments>(arguments)...);
    };
    using Large = grugen_large<SUMS, ARITHMETIC>;
    using Middle = grugen_middle<SUMS, ARITHMETIC>;
    if (2 * grugen_count_tiles<Large>(rows, units) > device.processors) {
        return start(Large{}, large);
    }
    if (2 * grugen_count_tiles<Middle>(rows, units) > device.processors) {
        return start(Middle{}, middle);
    }
    return start(grugen_small<SUMS, ARITHMETIC>{}, small);
}
