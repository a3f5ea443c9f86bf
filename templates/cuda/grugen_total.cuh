// Sums over all rows of all sequences, formed when every row is there: sums of vectors, and sums over
// the steps of each sequence. Every sum is formed in an order that follows from the sizes alone:
// parts over slices of the rows, then the sum of the parts.
#pragma once

#include <stdint.h>

#include <type_traits>

#include "grugen_memory.cuh"
#include "grugen_rows.cuh"
#include "grugen_stored.cuh"

// Rows of a value that is kept for all of them.
struct grugen_kept {
    const void *values; // row r starts r * stride elements behind
    int64_t stride;
    int64_t units;
    bool is_stored = false; // in an array of the caller, or else as numbers that were computed

    // Call `use` with the first element, whose type is known then.
    template <class Use>
    __device__ __forceinline__ auto with_first(const Use &use) const
    {
        if constexpr (GRUGEN_CONVERTS) {
            if (is_stored) { return use(static_cast<const GRUGEN_STORED *>(values)); }
        }
        return use(static_cast<const GRUGEN_REAL *>(values));
    }

    __device__ __forceinline__ GRUGEN_REAL at(int64_t item) const
    {
        return with_first([&](const auto *first) { return grugen_real_of(first[item]); });
    }
};

// A vector that is summed up, over all rows or over those of each sequence.
struct grugen_summand {
    grugen_kept kept;
    GRUGEN_STORED *total; // (units), or (B, units)
};

// What one launch sums up. Members with the same total are added up, by who has the first of them.
template <class Member, int COUNT>
struct grugen_list {
    Member of[COUNT];
};

// Whether no member before this one has its total.
template <class Member, int COUNT>
__device__ __forceinline__ bool
grugen_is_first(const grugen_list<Member, COUNT> &list, unsigned number)
{
    for (unsigned before = 0; before < number; ++before) {
        if (list.of[before].total == list.of[number].total) { return false; }
    }
    return true;
}

enum {
    GRUGEN_VECTOR_UNITS = 128, // four of each lane
    GRUGEN_VECTOR_LINES = 8,
    GRUGEN_VECTOR_SLICE = 128, // rows of a slice, at least
    GRUGEN_VECTOR_SLICES = 528, // at most: they fill a device
};

// Into how many slices the rows are cut.
static inline int64_t grugen_vector_slices(int64_t rows)
{
    const int64_t most = (rows + GRUGEN_VECTOR_SLICE - 1) / GRUGEN_VECTOR_SLICE;
    const int64_t wanted = GRUGEN_VECTOR_SLICES;
    return most < 1 ? 1 : most < wanted ? most : wanted;
}

template <int COUNT>
static inline int64_t
grugen_vector_parts(const grugen_list<grugen_summand, COUNT> &list, int64_t rows)
{
    int64_t size = 0;
    for (const grugen_summand &member : list.of) { size += member.kept.units; }
    return size * grugen_vector_slices(rows);
}

// Add every GRUGEN_VECTOR_LINES-th row up to `last` to the sums of a lane's units, of which there are
// `count`; if there are four they lie so that they are read at once.
template <bool IS_FOUR, bool HAS_LENGTHS, class Element>
__device__ __forceinline__ void grugen_add_rows(
    const Element *units,
    int64_t stride,
    const grugen_call_rows &rows,
    int64_t row,
    int64_t last,
    int count,
    GRUGEN_REAL (&sums)[4])
{
#pragma unroll 8
    for (; row < last; row += GRUGEN_VECTOR_LINES) {
        if (HAS_LENGTHS && !rows.locate((int)row).alive) { continue; }
        const Element *const from = units + row * stride;
        if constexpr (IS_FOUR) {
            const auto *const at = reinterpret_cast<const grugen_four_of<Element> *>(from);
            const grugen_four four = grugen_reals_of(grugen_read(at));
#pragma unroll
            for (int e = 0; e < 4; ++e) { sums[e] += four.of[e]; }
        } else {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                if (e < count) { sums[e] += grugen_real_of(from[e]); }
            }
        }
    }
}

// The sums of some units of one member over one slice of the rows.
template <int COUNT>
static __global__ void __launch_bounds__(GRUGEN_VECTOR_UNITS / 4 *GRUGEN_VECTOR_LINES)
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
    constexpr int across = GRUGEN_VECTOR_UNITS / 4;
    const int64_t start = (int64_t)blockIdx.x * GRUGEN_VECTOR_UNITS;
    const int own = (int)threadIdx.x % across * 4;
    const int line = (int)threadIdx.x / across;
    const int64_t slice = (rows.count() + gridDim.z - 1) / gridDim.z;
    const int64_t first = slice * blockIdx.z;
    const int64_t last = first + slice < rows.count() ? first + slice : rows.count();
    const int64_t stride = member.kept.stride;
    const int64_t left = member.kept.units - start - own;
    const int count = left < 4 ? (int)left : 4;
    GRUGEN_REAL sums[4] = {};
    member.kept.with_first([&](const auto *values) {
        const auto *const units = values + start + own;
        const bool is_aligned = reinterpret_cast<uintptr_t>(units) % (4 * sizeof *units) == 0;
        const bool is_four = is_aligned && stride % 4 == 0 && count == 4;
        const auto add = [&](auto four, auto lengths) {
            grugen_add_rows<decltype(four)::value, decltype(lengths)::value>(
                units, stride, rows, first + line, last, count, sums);
        };
        if (is_four && rows.lengths == nullptr) {
            add(std::true_type(), std::false_type());
        } else if (is_four) {
            add(std::true_type(), std::true_type());
        } else {
            add(std::false_type(), std::true_type());
        }
    });
#pragma unroll
    for (int e = 0; e < 4; ++e) { lines[line][own + e] = sums[e]; }
    __syncthreads();
    const int unit = (int)threadIdx.x;
    if (unit >= GRUGEN_VECTOR_UNITS || start + unit >= member.kept.units) { return; }
    GRUGEN_REAL sum = 0;
    for (int other = 0; other < GRUGEN_VECTOR_LINES; ++other) { sum += lines[other][unit]; }
    parts[blockIdx.z * member.kept.units + start + unit] = sum;
}

// The parts of a list's vectors added up, in order.
template <int COUNT>
static __global__ void grugen_vector_sum_kernel(
    const __grid_constant__ grugen_list<grugen_summand, COUNT> list,
    const int64_t slices,
    const GRUGEN_REAL *parts)
{
    const grugen_summand &member = list.of[blockIdx.y];
    if (!grugen_is_first(list, blockIdx.y)) { return; }
    const int64_t unit = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (unit >= member.kept.units) { return; }
    GRUGEN_REAL sum = 0;
    for (const grugen_summand &other : list.of) {
        if (other.total == member.total) {
#pragma unroll 16
            for (int64_t slice = 0; slice < slices; ++slice) {
                sum += parts[slice * member.kept.units + unit];
            }
        }
        parts += other.kept.units * slices;
    }
    member.total[unit] = grugen_stored_of(sum);
}

// Sums over the steps of each sequence, a thread for each unit of each sequence.
template <int COUNT>
static __global__ void grugen_sequence_kernel(
    const __grid_constant__ grugen_list<grugen_summand, COUNT> list, const grugen_call_rows rows)
{
    const grugen_summand &member = list.of[blockIdx.y];
    if (!grugen_is_first(list, blockIdx.y)) { return; }
    const int64_t item = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (item >= rows.B * member.kept.units) { return; }
    const int64_t b = item / member.kept.units;
    const int64_t unit = item % member.kept.units;
    GRUGEN_REAL sum = 0;
    for (const grugen_summand &other : list.of) {
        if (other.total != member.total) { continue; }
        for (int64_t t = 0; t < grugen_length(rows.lengths, rows.T, b); ++t) {
            sum += other.kept.at(((int64_t)t * rows.B + b) * other.kept.stride + unit);
        }
    }
    member.total[item] = grugen_stored_of(sum);
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
    const int64_t slices = grugen_vector_slices((int64_t)rows.T * rows.B);
    const dim3 blocks((unsigned)groups, COUNT, (unsigned)slices);
    const int threads = GRUGEN_VECTOR_UNITS / 4 * GRUGEN_VECTOR_LINES;
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
