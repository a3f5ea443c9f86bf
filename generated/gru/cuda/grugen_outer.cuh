// Weight gradients: matrices summed up over all rows, as products of tiles. The rows are cut into
// slices, whose parts of a sum are added up in their order, so that every sum is formed in an order
// that follows from the sizes alone.
#pragma once

#include <stdint.h>

#include "grugen_block_product.cuh"
#include "grugen_total.cuh"

// A matrix that is summed up: left (outer) right.
struct grugen_outer {
    grugen_kept left, right;
    GRUGEN_STORED *total; // (left units, right units)
};

// A tile has so many units of `left` as of rows elsewhere. Small ones are for small matrices: most of
// a large one would lie beyond their ends.
template <int SIDE, int THREADS>
using grugen_outer_tensor = grugen_core_shape<
    GRUGEN_CONVERTS ? GRUGEN_BFLOAT16 : GRUGEN_PRODUCTS, 1, SIDE, SIDE, THREADS, false>;
using grugen_outer_large = std::conditional_t<
    grugen_on_tensor_cores(1), grugen_outer_tensor<128, GRUGEN_TENSOR_THREADS>,
    grugen_shape<1, 8, GRUGEN_HELD / 8, 16>>;
using grugen_outer_small = std::conditional_t<
    grugen_on_tensor_cores(1), grugen_outer_tensor<64, GRUGEN_TENSOR_THREADS / 4>,
    grugen_shape<1, 8, GRUGEN_HELD / 8, 8>>;

enum {
    GRUGEN_OUTER_THREADS = 67584, // that run at once on a large device, 512 of each processor
    GRUGEN_OUTER_SHARED = 228 * 1024, // bytes of shared memory that such a processor has
    GRUGEN_OUTER_OVERHEAD = 64, // what a block does beside its products, in rows
    GRUGEN_OUTER_SLICES = 128, // at most
};

// How a list is cut.
struct grugen_outer_cut {
    bool is_large;
    int64_t tiles; // of all members
    int64_t slices;
    int64_t slice; // rows of a slice
};

template <class Shape>
__host__ __device__ inline int64_t grugen_outer_tiles(const grugen_outer &member)
{
    return (member.left.units + Shape::rows - 1) / Shape::rows *
        ((member.right.units + Shape::units - 1) / Shape::units);
}

template <class Shape, int COUNT>
static inline int64_t grugen_outer_tiles(const grugen_list<grugen_outer, COUNT> &list)
{
    int64_t tiles = 0;
    for (const grugen_outer &member : list.of) { tiles += grugen_outer_tiles<Shape>(member); }
    return tiles;
}

// Blocks that run at once, as far as threads and shared memory go; the system takes some of it, too.
template <class Shape>
constexpr int64_t grugen_outers_at_once()
{
    constexpr int64_t by_threads = 512 / Shape::threads;
    constexpr int64_t bytes = sizeof(grugen_block_memory<Shape>) + 1024;
    constexpr int64_t by_memory = GRUGEN_OUTER_SHARED / bytes;
    return GRUGEN_OUTER_THREADS / 512 * (by_memory < by_threads ? by_memory : by_threads);
}

// The cut after which the last block is done first: the device is full of blocks, one round after
// the other.
template <int COUNT>
static inline grugen_outer_cut
grugen_cut_outers(const grugen_list<grugen_outer, COUNT> &list, int64_t rows)
{
    const int64_t large = grugen_outer_tiles<grugen_outer_large>(list);
    const int64_t small = grugen_outer_tiles<grugen_outer_small>(list);
    grugen_outer_cut best = {};
    // four small tiles are a large one, and take somewhat longer
    best.is_large = 4 * large <= small + small / 4;
    best.tiles = best.is_large ? large : small;
    const int64_t at_once = best.is_large ? grugen_outers_at_once<grugen_outer_large>()
                                          : grugen_outers_at_once<grugen_outer_small>();
    int64_t least = INT64_MAX;
    for (int64_t slices = 1; slices <= GRUGEN_OUTER_SLICES; ++slices) {
        const int64_t whole = (rows + slices - 1) / slices;
        const int64_t deep = grugen_outer_large::deep;
        const int64_t slice = (whole + deep - 1) / deep * deep;
        const int64_t rounds = (best.tiles * slices + at_once - 1) / at_once;
        const int64_t time = rounds * (slice + GRUGEN_OUTER_OVERHEAD);
        if (time >= least) { continue; }
        least = time;
        best.slices = slices;
        best.slice = slice;
    }
    return best;
}

// Elements of the parts of a list's sums.
template <int COUNT>
static inline int64_t
grugen_outer_parts(const grugen_list<grugen_outer, COUNT> &list, int64_t rows)
{
    int64_t size = 0;
    for (const grugen_outer &member : list.of) { size += member.left.units * member.right.units; }
    return size * grugen_cut_outers(list, rows).slices;
}

// Fetch the units from `first` on of a chunk of rows; bit i of `alive` says whether row i exists.
template <int UNITS, int STRIDE, int THREADS>
__device__ __forceinline__ void grugen_fetch_kept(
    const grugen_kept &kept, int row, uint64_t alive, int64_t first, GRUGEN_REAL *chunk)
{
    constexpr int across = UNITS / GRUGEN_WIDE;
    static_assert(THREADS % across == 0, "each thread has the same units of all its rows");
    const int unit = (int)threadIdx.x % across * GRUGEN_WIDE;
    const int own_line = (int)threadIdx.x / across;
    kept.with_first([&](const auto *values) {
        const auto *from = values + ((int64_t)row + own_line) * kept.stride + first + unit;
#pragma unroll
        for (int line = own_line; line < own_line + GRUGEN_CHUNK; line += THREADS / across) {
            const bool is_there = (alive >> line & 1u) != 0;
            grugen_fetch_wide(
                chunk + line * STRIDE + unit, from,
                is_there ? (int)(kept.units - first) - unit : 0);
            from += THREADS / across * kept.stride;
        }
    });
}

// One tile of one member's product over one slice of the rows, as a part of the total.
template <class Shape, int COUNT>
static __global__ void __launch_bounds__(Shape::threads, grugen_sums<Shape>::blocks)
    grugen_outer_kernel(
        const __grid_constant__ grugen_list<grugen_outer, COUNT> list,
        const grugen_call_rows rows,
        const int64_t slice,
        GRUGEN_REAL *parts)
{
    extern __shared__ __align__(128) unsigned char grugen_smem[];
    auto &memory = *reinterpret_cast<grugen_block_memory<Shape> *>(grugen_smem);
    int number = 0;
    int64_t tile = blockIdx.x;
    while (tile >= grugen_outer_tiles<Shape>(list.of[number])) {
        const grugen_outer &before = list.of[number++];
        tile -= grugen_outer_tiles<Shape>(before);
        parts += before.left.units * before.right.units * gridDim.y;
    }
    const grugen_outer &member = list.of[number];
    const int64_t across = (member.right.units + Shape::units - 1) / Shape::units;
    const int64_t left = tile / across * Shape::rows;
    const int64_t right = tile % across * Shape::units;
    // rows are counted in 32 bits
    const int first = (int)(slice * blockIdx.y < rows.count() ? slice * blockIdx.y : rows.count());
    const int left_over = rows.count() - first;
    const int size = slice < left_over ? (int)slice : left_over;
    // each lane looks for some of a chunk's rows
    const auto alive_of = [&](int chunk) {
        uint64_t alive = 0;
#pragma unroll
        for (int some = 0; some < Shape::deep; some += GRUGEN_WARP) {
            const int mine = chunk * Shape::deep + some + (int)threadIdx.x % GRUGEN_WARP;
            const bool is_there =
                mine < size && (rows.lengths == nullptr || rows.locate(first + mine).alive);
            alive |= (uint64_t)__ballot_sync(0xffffffffu, is_there) << some;
        }
        return alive;
    };
    grugen_sums<Shape> sums;
    grugen_multiply_chunks<0, 1>(
        memory, (size + Shape::deep - 1) / Shape::deep,
        [&](int chunk, GRUGEN_REAL *xs, GRUGEN_REAL *weights) {
            const uint64_t alive = alive_of(chunk);
            const int row = first + chunk * Shape::deep;
            if constexpr (Shape::is_paired) {
                grugen_fetch_kept_paired<Shape::rows, Shape::row_line, Shape::threads>(
                    member.left, row, alive, left, xs);
                grugen_fetch_kept_paired<Shape::units, Shape::unit_line, Shape::threads>(
                    member.right, row, alive, right, weights);
            } else {
                grugen_fetch_kept<Shape::rows, Shape::row_stride, Shape::threads>(
                    member.left, row, alive, left, xs);
                grugen_fetch_kept<Shape::units, Shape::unit_stride, Shape::threads>(
                    member.right, row, alive, right, weights);
            }
        },
        sums);
    parts += blockIdx.y * member.left.units * member.right.units;
    for (int part = 0; part < Shape::slices; ++part) {
        grugen_spread_sums(part, sums, memory);
        for (int item = (int)threadIdx.x; item < Shape::items; item += Shape::threads) {
            const int64_t j = left + part * Shape::slice_rows + item / Shape::units;
            const int64_t u = right + item % Shape::units;
            if (j < member.left.units && u < member.right.units) {
                parts[j * member.right.units + u] = memory.elements[Shape::place(0, item)];
            }
        }
    }
}

// Add every `lines`-th part of four elements of a member, of which `count` exist.
__device__ __forceinline__ void grugen_add_parts(
    const GRUGEN_REAL *parts,
    const int64_t size,
    const int64_t item,
    const int count,
    const int64_t slices,
    const int line,
    const int lines,
    grugen_four *const sum)
{
    if (size % 4 == 0 && reinterpret_cast<uintptr_t>(parts) % sizeof(grugen_four) == 0) {
        if (count > 0) {
#pragma unroll 8
            for (int64_t slice = line; slice < slices; slice += lines) {
                const auto part =
                    *reinterpret_cast<const grugen_four *>(parts + slice * size + item);
#pragma unroll
                for (int e = 0; e < 4; ++e) { sum->of[e] += part.of[e]; }
            }
        }
    } else {
        for (int64_t slice = line; slice < slices; slice += lines) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                if (e < count) { sum->of[e] += parts[slice * size + item + e]; }
            }
        }
    }
}

// The parts of a list's matrices added up, in order: a thread has four elements, and `lines` threads
// share their parts, a power of two.
template <int COUNT>
static __global__ void __launch_bounds__(GRUGEN_THREADS) grugen_outer_sum_kernel(
    const __grid_constant__ grugen_list<grugen_outer, COUNT> list,
    const int64_t slices,
    const int lines,
    const GRUGEN_REAL *parts)
{
    __shared__ grugen_four shares[GRUGEN_THREADS];
    const grugen_outer &member = list.of[blockIdx.y];
    if (!grugen_is_first(list, blockIdx.y)) { return; }
    const int64_t size = member.left.units * member.right.units;
    const int across = GRUGEN_THREADS / lines;
    const int line = (int)threadIdx.x / across;
    const int64_t item = 4 * ((int64_t)blockIdx.x * across + (int)threadIdx.x % across);
    const int64_t left = size - item;
    const int count = left < 0 ? 0 : left < 4 ? (int)left : 4;
    grugen_four sum = {};
    for (const grugen_outer &other : list.of) {
        if (other.total == member.total) {
            grugen_add_parts(parts, size, item, count, slices, line, lines, &sum);
        }
        parts += other.left.units * other.right.units * slices;
    }
    shares[threadIdx.x] = sum;
    __syncthreads();
    if (line > 0) { return; }
    for (int other = 1; other < lines; ++other) {
        const grugen_four share = shares[other * across + (int)threadIdx.x];
#pragma unroll
        for (int e = 0; e < 4; ++e) { sum.of[e] += share.of[e]; }
    }
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        if (e < count) { member.total[item + e] = grugen_stored_of(sum.of[e]); }
    }
}

// How many threads share the parts of an element: so many that all processors have work.
static inline int grugen_sharing_lines(int64_t elements, int64_t slices)
{
    int lines = 1;
    while (lines < 8 && 2 * lines <= slices && elements / 4 * lines < GRUGEN_OUTER_THREADS) {
        lines *= 2;
    }
    return lines;
}

template <int COUNT>
static cudaError_t grugen_outer_totals(
    const grugen_list<grugen_outer, COUNT> &list,
    const grugen_call_rows rows,
    GRUGEN_REAL *parts,
    cudaStream_t stream)
{
    const grugen_outer_cut cut = grugen_cut_outers(list, (int64_t)rows.T * rows.B);
    int64_t largest = 1, all = 0;
    for (const grugen_outer &member : list.of) {
        const int64_t size = member.left.units * member.right.units;
        largest = grugen_larger(largest, size);
        all += size;
    }
    const dim3 blocks((unsigned)cut.tiles, (unsigned)cut.slices);
    const int threads = cut.is_large ? grugen_outer_large::threads : grugen_outer_small::threads;
    auto *const kernel = cut.is_large ? grugen_outer_kernel<grugen_outer_large, COUNT>
                                      : grugen_outer_kernel<grugen_outer_small, COUNT>;
    const int64_t shared = cut.is_large ? sizeof(grugen_block_memory<grugen_outer_large>)
                                        : sizeof(grugen_block_memory<grugen_outer_small>);
    GRUGEN_TRY(grugen_start(
        kernel, {blocks, threads, shared, false, stream}, list, rows, cut.slice, parts));
    const int lines = grugen_sharing_lines(all, cut.slices);
    const int64_t across = 4 * GRUGEN_THREADS / lines;
    const dim3 sums((unsigned)((largest + across - 1) / across), COUNT);
    return grugen_start(
        grugen_outer_sum_kernel<COUNT>, {sums, GRUGEN_THREADS, 0, false, stream}, list, cut.slices,
        lines, parts);
}
