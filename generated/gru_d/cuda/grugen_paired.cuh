// Tiles of bfloat16 on tensor cores. A chunk is 64 elements deep: as many as a line of the device's
// memory has, so that each vector's are fetched at once. Two elements share a place of GRUGEN_REAL, the
// first one its lower half.
#pragma once

#include <stdint.h>

#include <type_traits>

#include "grugen_fetch.cuh"
#include "grugen_panel.cuh"
#include "grugen_shape.cuh"
#include "grugen_stored.cuh"
#include "grugen_sums.cuh"
#include "grugen_tensor_sums.cuh"
#include "grugen_total.cuh"

// A lane's share of four matrices of eight lines and eight elements: two elements of a line each, as
// tensor cores take them.
struct grugen_matrices {
    unsigned of[4];
};

// Each lane says where a line of a matrix is: the first eight those of the first one.
__device__ __forceinline__ grugen_matrices grugen_load_matrices(const GRUGEN_REAL *line)
{
    grugen_matrices found;
#ifdef GRUGEN_EMULATOR
    emulator::load_matrices(found.of, line, false);
#else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(found.of[0]), "=r"(found.of[1]), "=r"(found.of[2]), "=r"(found.of[3])
                 : "r"((unsigned)__cvta_generic_to_shared(line)));
#endif
    return found;
}

// The same, where tensor cores take what lies below each other.
__device__ __forceinline__ grugen_matrices grugen_load_turned(const GRUGEN_REAL *line)
{
    grugen_matrices found;
#ifdef GRUGEN_EMULATOR
    emulator::load_matrices(found.of, line, true);
#else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(found.of[0]), "=r"(found.of[1]), "=r"(found.of[2]), "=r"(found.of[3])
                 : "r"((unsigned)__cvta_generic_to_shared(line)));
#endif
    return found;
}

// Where a piece of eight elements of a vector is, in a chunk along the depth.
__device__ __forceinline__ int grugen_piece_of(int vector, int piece)
{
    return vector * GRUGEN_LINE + (piece ^ vector % 8) * 4;
}

template <int SUMS, int ROWS, int UNITS, int THREADS, bool IS_ALONG>
struct grugen_sums<grugen_paired_shape<SUMS, ROWS, UNITS, THREADS, IS_ALONG>>
    : grugen_tensor_shares<grugen_paired_shape<SUMS, ROWS, UNITS, THREADS, IS_ALONG>> {
    using Shape = grugen_paired_shape<SUMS, ROWS, UNITS, THREADS, IS_ALONG>;
    using Shares = grugen_tensor_shares<Shape>;

    // 16 rows from `row` on, over step number `step` of 16 elements.
    __device__ __forceinline__ static grugen_matrices
    rows_of(const GRUGEN_REAL *xs, int row, int step)
    {
        const int lane = Shares::lane();
        if constexpr (IS_ALONG) {
            return grugen_load_matrices(xs + grugen_piece_of(row + lane % 16, 2 * step + lane / 16));
        } else {
            const int below = 16 * step + lane % 8 + lane / 16 * 8;
            return grugen_load_turned(xs + below * Shape::row_line + (row + lane / 8 % 2 * 8) / 2);
        }
    }

    // The first of eight units, number `eight` of those that this warp has of all matrices.
    __device__ __forceinline__ static int eight_of(int eight)
    {
        return eight / Shares::wide * UNITS + Shares::own_unit() + eight % Shares::wide * 8;
    }

    // Eight units from `first` on and eight from `second` on, over step number `step`.
    __device__ __forceinline__ static grugen_matrices
    units_of(const GRUGEN_REAL *weights, int first, int second, int step)
    {
        const int lane = Shares::lane();
        const int unit = first + lane / 16 * (second - first);
        if constexpr (IS_ALONG) {
            return grugen_load_matrices(
                weights + grugen_piece_of(unit + lane % 8, 2 * step + lane / 8 % 2));
        } else {
            return grugen_load_turned(
                weights + (16 * step + lane % 16) * Shape::unit_line + unit / 2);
        }
    }

    // Add the products of a chunk: of MATRICES matrices, to sums FIRST.. Those of a step are
    // independent of each other.
    template <int FIRST, int MATRICES>
    __device__ __forceinline__ void add(const GRUGEN_REAL *xs, const GRUGEN_REAL *weights)
    {
        constexpr int eights = MATRICES * Shares::wide;
#pragma unroll
        for (int step = 0; step < Shape::deep / 16; ++step) {
            grugen_matrices left[Shares::high];
#pragma unroll
            for (int r = 0; r < Shares::high; ++r) {
                left[r] = rows_of(xs, Shares::own_row() + 16 * r, step);
            }
#pragma unroll
            for (int eight = 0; eight < eights; eight += 2) {
                const int more = eight + 1 < eights ? 1 : 0;
                const grugen_matrices right =
                    units_of(weights, eight_of(eight), eight_of(eight + more), step);
#pragma unroll
                for (int next = 0; next <= more; ++next) {
                    const unsigned pairs[2] = {right.of[2 * next], right.of[2 * next + 1]};
                    const int m = FIRST + (eight + next) / Shares::wide;
                    const int u = (eight + next) % Shares::wide;
#pragma unroll
                    for (int r = 0; r < Shares::high; ++r) {
                        grugen_multiply_bfloat16(this->of[r][m][u], left[r].of, pairs);
                    }
                }
            }
        }
    }
};

// Start to copy a four; one that does not exist becomes zeros.
template <class Element>
__device__ __forceinline__ void
grugen_fetch_four(GRUGEN_REAL *to, const grugen_four_of<Element> *from, bool is_there)
{
    static_assert(sizeof(*from) == 8);
#ifdef GRUGEN_EMULATOR
    __pipeline_memcpy_async(to, from, 8, is_there ? 0 : 8);
#else
    const unsigned bytes = is_there ? 8u : 0u;
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;"
                 :
                 : "r"((unsigned)__cvta_generic_to_shared(to)), "l"(from), "r"(bytes)
                 : "memory");
#endif
}

// Start to copy eight elements that lie at a multiple of 16 bytes.
__device__ __forceinline__ void grugen_fetch_whole_eight(GRUGEN_REAL *to, const GRUGEN_STORED *from)
{
#ifdef GRUGEN_EMULATOR
    __pipeline_memcpy_async(to, from, 16, 0);
#else
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
                 :
                 : "r"((unsigned)__cvta_generic_to_shared(to)), "l"(from)
                 : "memory");
#endif
}

// Start to copy eight elements, of which the first `count` exist: at once, if all do and lie so.
__device__ __forceinline__ void
grugen_fetch_eight(GRUGEN_REAL *to, const GRUGEN_STORED *from, int count)
{
    if (count >= 8 && reinterpret_cast<uintptr_t>(from) % 16 == 0) {
        grugen_fetch_whole_eight(to, from);
        return;
    }
    // one element after the other: the registers are the sums'
    GRUGEN_STORED *const elements = reinterpret_cast<GRUGEN_STORED *>(to);
#pragma unroll 1
    for (int e = 0; e < 8; ++e) { elements[e] = e < count ? from[e] : GRUGEN_STORED{}; }
}

// Numbers that were computed are rounded on their way.
template <class Element>
__device__ __forceinline__ void grugen_fetch_eight(GRUGEN_REAL *to, const Element *from, int count)
{
    const bool is_whole = count >= 8 && reinterpret_cast<uintptr_t>(from) % 16 == 0;
    // one four after the other, as above
#pragma unroll 1
    for (int first = 0; first < 8; first += 4) {
        grugen_stored_four rounded = {};
        if (is_whole) {
            const auto four = *reinterpret_cast<const grugen_four_of<Element> *>(from + first);
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                rounded.of[e] = grugen_stored_of(grugen_real_of(four.of[e]));
            }
        } else {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                if (first + e < count) {
                    rounded.of[e] = grugen_stored_of(grugen_real_of(from[first + e]));
                }
            }
        }
        *reinterpret_cast<grugen_stored_four *>(to + first / 2) = rounded;
    }
}

// How the vectors of a tile's rows come: eight threads fetch a row's share of a chunk, eight elements
// each.
template <class Shape, class Element>
struct grugen_paired_vectors {
    static constexpr bool is_copied = std::is_same<Element, GRUGEN_STORED>::value;
    static constexpr int apart = Shape::threads / 8;
    static_assert(Shape::rows % apart == 0, "all threads fetch as many");

    const void *const (&vectors)[Shape::rows];
    int depth;
    bool simple = is_copied; // all of this thread's rows exist, and are copied as they lie

    template <class Rows, class VectorOf>
    __device__ __forceinline__ grugen_paired_vectors(
        const void *const (&all)[Shape::rows],
        int deep,
        const grugen_block_tile<Shape> &at,
        const Rows &rows,
        const VectorOf &vector_of)
        : vectors(all), depth(deep)
    {
        if constexpr (is_copied) {
            for (int first = 0; first < Shape::rows; first += apart) {
                const grugen_here here = rows.locate(at.row + first + row());
                const auto address = reinterpret_cast<uintptr_t>(here.alive ? vector_of(here) : nullptr);
                simple = simple && here.alive && address % 16 == 0;
            }
        }
    }

    __device__ __forceinline__ static int row() { return (int)threadIdx.x / 8; }
    __device__ __forceinline__ static int piece() { return (int)threadIdx.x % 8; }

    __device__ __forceinline__ void fetch(int start, GRUGEN_REAL *xs) const
    {
        const int k = start + 8 * piece();
        if constexpr (is_copied) {
            if (simple && start + Shape::deep <= depth) {
                GRUGEN_REAL *const to = xs + grugen_piece_of(row(), piece());
#pragma unroll
                for (int first = 0; first < Shape::rows; first += apart) {
                    const auto *const vector = static_cast<const Element *>(vectors[first + row()]);
                    grugen_fetch_whole_eight(to + first * GRUGEN_LINE, vector + k);
                }
                return;
            }
        }
        // the registers are the sums'
#pragma unroll 1
        for (int first = 0; first < Shape::rows; first += apart) {
            const auto *const vector = static_cast<const Element *>(vectors[first + row()]);
            grugen_fetch_eight(
                xs + grugen_piece_of(first + row(), piece()), vector + k,
                vector != nullptr ? depth - k : 0);
        }
    }
};

// Fetch a chunk of MATRICES packed matrices, a four each: neighbours fetch neighbouring units'.
template <int MATRICES, class Shape>
__device__ __forceinline__ void grugen_fetch_weights_paired(
    const grugen_panel &panel, int first, int start, int depth, GRUGEN_REAL *weights)
{
    constexpr int fours = Shape::deep / 4;
    constexpr int items = MATRICES * Shape::units * fours;
#pragma unroll
    for (int begin = 0; begin < items; begin += Shape::threads) {
        const int item = begin + (int)threadIdx.x;
        if (items % Shape::threads != 0 && item >= items) { continue; }
        const int unit = item % Shape::units;
        // the upper eight of sixteen units go to the other halves of their pieces: other banks
        const int below = item / Shape::units % fours ^ unit / 8 % 2;
        const int m = item / Shape::units / fours;
        const int four = start / 4 + below;
        GRUGEN_REAL *const to =
            weights + grugen_piece_of(m * Shape::units + unit, below / 2) + below % 2 * 2;
        grugen_fetch_four(
            to, panel.fours + four * panel.line + m * panel.units + first + unit,
            4 * four < depth && first + unit < panel.units);
    }
}

// Fetch the units from `first` on of a chunk of rows; bit i of `alive` says whether row i exists.
template <int UNITS, int LINE, int THREADS>
__device__ __forceinline__ void grugen_fetch_kept_paired(
    const grugen_kept &kept, int row, uint64_t alive, int64_t first, GRUGEN_REAL *chunk)
{
    constexpr int across = UNITS / 8;
    static_assert(THREADS % across == 0, "each thread has the same units of all its rows");
    const int piece = (int)threadIdx.x % across;
    const int own_line = (int)threadIdx.x / across;
    const int count = (int)(kept.units - first) - 8 * piece;
    kept.with_first([&](const auto *values) {
        const auto *from = values + ((int64_t)row + own_line) * kept.stride + first + 8 * piece;
#pragma unroll
        for (int line = own_line; line < own_line + 2 * GRUGEN_LINE; line += THREADS / across) {
            const bool is_there = (alive >> line & 1u) != 0;
            grugen_fetch_eight(chunk + line * LINE + 4 * piece, from, is_there ? count : 0);
            from += THREADS / across * kept.stride;
        }
    });
}
