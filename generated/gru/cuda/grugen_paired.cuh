// Chunks of bfloat16 for tensor cores: two elements that follow each other in the depth share a place
// of GRUGEN_REAL, the first one its lower half.
#pragma once

#include <stdint.h>

#include <type_traits>

#include "grugen_fetch.cuh"
#include "grugen_panel.cuh"
#include "grugen_stored.cuh"
#include "grugen_sums.cuh"
#include "grugen_total.cuh"

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

// Start to copy eight elements, of which the first `count` exist: at once, if all do and lie so.
__device__ __forceinline__ void
grugen_fetch_eight(GRUGEN_REAL *to, const GRUGEN_STORED *from, int count)
{
    if (count >= 8 && reinterpret_cast<uintptr_t>(from) % 16 == 0) {
#ifdef GRUGEN_EMULATOR
        __pipeline_memcpy_async(to, from, 16, 0);
#else
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
                     :
                     : "r"((unsigned)__cvta_generic_to_shared(to)), "l"(from)
                     : "memory");
#endif
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

// Fetch a chunk of the vectors of a tile's rows: four threads fetch a row's, eight elements each.
template <class Shape, class Element>
__device__ __forceinline__ void grugen_fetch_vectors_paired(
    const void *const (&vectors)[Shape::rows], int start, int depth, GRUGEN_REAL *xs)
{
    constexpr int apart = Shape::threads / 4;
    const int place = (int)threadIdx.x % 4 * 4;
    const int k = start + 2 * place;
    // what is rounded on its way passes through registers, and so do addresses beside many units
    constexpr bool is_copied = std::is_same<Element, GRUGEN_STORED>::value && Shape::units < 128;
    [[maybe_unused]] constexpr int side = is_copied ? Shape::rows / apart + 1 : 1;
#pragma unroll side
    for (int first = 0; first < Shape::rows; first += apart) {
        const int row = first + (int)threadIdx.x / 4;
        if (Shape::rows < apart && row >= Shape::rows) { continue; }
        const Element *const vector = static_cast<const Element *>(vectors[row]);
        grugen_fetch_eight(
            xs + row * Shape::row_stride + place, vector + k, vector != nullptr ? depth - k : 0);
    }
}

// Fetch a chunk of MATRICES packed matrices: four threads fetch a unit's, two fours each.
template <int MATRICES, class Shape>
__device__ __forceinline__ void grugen_fetch_weights_paired(
    const grugen_panel &panel, int first, int start, int depth, GRUGEN_REAL *weights)
{
    constexpr int together = Shape::threads / 4;
    constexpr int across = Shape::units < together ? Shape::units : together;
    constexpr int down = together / across;
    const int place = (int)threadIdx.x % 4 * 4;
    const int own_unit = (int)threadIdx.x / 4 % across;
    const int own_matrix = (int)threadIdx.x / 4 / across;
    const int four = start / 4 + place / 2;
    const grugen_stored_four *const from = panel.fours + four * panel.line + first;
#pragma unroll
    for (int step = 0; step < MATRICES; step += down) {
        const int m = own_matrix + step;
        if (MATRICES % down != 0 && m >= MATRICES) { continue; }
#pragma unroll
        for (int apart = 0; apart < Shape::units; apart += across) {
            const int unit = own_unit + apart;
            GRUGEN_REAL *const to = weights + (m * Shape::units + unit) * Shape::unit_stride + place;
#pragma unroll
            for (int next = 0; next < 2; ++next) {
                const bool is_there = 4 * (four + next) < depth && first + unit < panel.units;
                grugen_fetch_four(
                    to + 2 * next, from + next * panel.line + m * panel.units + unit, is_there);
            }
        }
    }
}

// Four elements of a row as memory has them, the first of two in the lower half: nobody looks at them
// before all that was asked for is there.
struct grugen_words {
    uint32_t of[2];
};

// The first `count` of four elements; at once, if all of them exist and lie so.
template <class Element>
__device__ __forceinline__ grugen_words
grugen_words_at(const Element *from, int count, bool is_aligned)
{
    grugen_words words = {};
    if constexpr (std::is_same<Element, GRUGEN_STORED>::value) {
        if (is_aligned) {
            const uint2 both = *reinterpret_cast<const uint2 *>(from);
            return {{both.x, both.y}};
        }
    }
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        if (e >= count) { break; }
        words.of[e / 2] |= grugen_bits_of(grugen_stored_of(from[e])) << e % 2 * 16;
    }
    return words;
}

// Four units of two rows that follow each other, as pairs: the lower half is of the first row.
__device__ __forceinline__ grugen_some<4>
grugen_pairs_of_rows(const grugen_words &upper, const grugen_words &lower)
{
    grugen_some<4> pairs;
#pragma unroll
    for (int w = 0; w < 2; ++w) {
        pairs.of[2 * w] = __uint_as_float((upper.of[w] & 0xffffu) | lower.of[w] << 16);
        pairs.of[2 * w + 1] = __uint_as_float(upper.of[w] >> 16 | (lower.of[w] & 0xffff0000u));
    }
    return pairs;
}

// A thread's share of a chunk of rows, on its way from memory while another chunk is multiplied.
template <int UNITS, int STRIDE, int THREADS>
struct grugen_pairs_asked {
    static constexpr int across = UNITS / 4;
    static constexpr int lines = GRUGEN_CHUNK * across / THREADS;
    static_assert(THREADS % across == 0, "each thread has the same units of all its rows");

    grugen_words found[lines][2];

    // The first of the units, and the first of the lines of pairs.
    __device__ static int unit() { return (int)threadIdx.x % across * 4; }
    __device__ static int line() { return (int)threadIdx.x / across; }

    // Ask for the units from `first` on; bit i of `alive` says whether row i exists.
    __device__ __forceinline__ void
    ask(const grugen_kept &kept, int row, unsigned alive, int64_t first)
    {
        const int count = (int)(kept.units - first) - unit();
        kept.with_first([&](const auto *values) {
            const auto *const from = values + (int64_t)row * kept.stride + first + unit();
            const bool is_aligned = reinterpret_cast<uintptr_t>(from) % sizeof(grugen_words) == 0 &&
                kept.stride % 4 == 0 && count >= 4;
#pragma unroll
            for (int i = 0; i < lines; ++i) {
#pragma unroll
                for (int next = 0; next < 2; ++next) {
                    const int below = 2 * (line() + i * (THREADS / across)) + next;
                    found[i][next] = {};
                    if ((alive >> below & 1u) == 0) { continue; }
                    found[i][next] = grugen_words_at(from + below * kept.stride, count, is_aligned);
                }
            }
        });
    }

    // Put it where tensor cores take it from.
    __device__ __forceinline__ void put(GRUGEN_REAL *chunk) const
    {
#pragma unroll
        for (int i = 0; i < lines; ++i) {
            *reinterpret_cast<grugen_some<4> *>(
                chunk + (line() + i * (THREADS / across)) * STRIDE + unit()) =
                grugen_pairs_of_rows(found[i][0], found[i][1]);
        }
    }
};

// Add the products of so many chunks that pass through registers to the sums of a tile. `ask(chunk, xs,
// weights)` has one on its way to there, which arrives by `put(xs, weights)`.
template <class Shape, class Ask, class Put>
__device__ __forceinline__ void grugen_multiply_asked(
    grugen_block_memory<Shape> &memory,
    int chunks,
    const Ask &ask,
    const Put &put,
    grugen_sums<Shape> &sums)
{
    const auto xs_of = [&](int chunk) { return memory.elements + chunk % 2 * Shape::chunk; };
    if (chunks == 0) { return; }
    ask(0, xs_of(0), xs_of(0) + Shape::weights);
    put(xs_of(0), xs_of(0) + Shape::weights);
    for (int chunk = 0; chunk < chunks; ++chunk) {
        // all have put this chunk, and read the one before
        __syncthreads();
        const bool more = chunk + 1 < chunks;
        GRUGEN_REAL *const next = xs_of(chunk + 1);
        if (more) { ask(chunk + 1, next, next + Shape::weights); }
        const GRUGEN_REAL *const xs = xs_of(chunk);
        sums.template add<0, 1>(xs, xs + Shape::weights);
        if (more) { put(next, next + Shape::weights); }
    }
}
