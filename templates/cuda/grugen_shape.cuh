// The sizes of a tile of rows and units that a block of threads multiplies together.
#pragma once

#include <type_traits>

#include "grugen_fetch.cuh"
#include "grugen_rows.cuh"

// How products over all rows are formed; GRUGEN_PRODUCTS is one of these.
enum grugen_arithmetic {
    GRUGEN_IEEE, // multiplied and added as GRUGEN_REAL
    GRUGEN_TF32, // on tensor cores, from factors of 11 bits
    GRUGEN_3XTF32, // on tensor cores, from factors in two parts of 11 bits
    GRUGEN_BFLOAT16, // on tensor cores, from factors of bfloat16
};

enum {
    GRUGEN_CHUNK = 64 / (int)sizeof(GRUGEN_REAL), // places of the depth that are fetched together
    GRUGEN_LINE = 32, // places of a vector in a chunk of bfloat16, 128 bytes: whole lines of memory
    GRUGEN_STAGES = 2, // chunks in shared memory at a time
    GRUGEN_HELD = 256 / (int)sizeof(GRUGEN_REAL), // sums of a thread, at most
};

// The largest power of two that is at most `limit`, and 1 at least.
constexpr int grugen_power(int limit)
{
    int power = 1;
    while (2 * power <= limit) { power *= 2; }
    return power;
}

// From one element of the depth to the next in shared memory: eight elements of four vectors lie on
// banks of their own.
constexpr int grugen_apart(int vectors) { return vectors + (40 - vectors % 32) % 32; }

// Into how many slices of rows sums are cut, where not all of them fit `room` at once.
constexpr int grugen_slices_of(int sums, int room)
{
    int slices = 1;
    while (sums > slices * room) { slices *= 2; }
    return slices;
}

// What tiles have in common: ROWS times UNITS with SUMS sums for each pair. Of a chunk the operands
// take XS elements and the weights WEIGHTS; the sums of a row are handed out in lines of LINE.
template <int SUMS, int ROWS, int UNITS, int THREADS, int XS, int WEIGHTS, int LINE>
struct grugen_sizes {
    static constexpr bool is_paired = false;
    static constexpr int deep = GRUGEN_CHUNK; // elements of the depth in a chunk
    static constexpr int sums = SUMS;
    static constexpr int threads = THREADS;
    static constexpr int rows = ROWS;
    static constexpr int units = UNITS;
    static constexpr int weights = XS; // where they begin
    static constexpr int chunk = XS + WEIGHTS;
    static constexpr int elements = GRUGEN_STAGES * chunk;
    // sums are handed out for some rows at a time
    static constexpr int slices = grugen_slices_of(SUMS * ROWS * LINE, elements);
    static constexpr int slice_rows = ROWS / slices;
    static constexpr int items = slice_rows * UNITS;

    // Where a sum of a row of the slice is handed out.
    __device__ static constexpr int place(int sum, int row, int unit)
    {
        return (sum * slice_rows + row) * LINE + unit;
    }
    __device__ static constexpr int place(int sum, int item)
    {
        return place(sum, item / UNITS, item % UNITS);
    }
};

// SIDE times SIDE threads; each has OWN_ROWS rows and OWN_UNITS units.
template <int SUMS, int OWN_ROWS, int OWN_UNITS, int SIDE>
struct grugen_shape
    : grugen_sizes<
          SUMS, OWN_ROWS * SIDE, OWN_UNITS * SIDE, SIDE * SIDE,
          GRUGEN_CHUNK * grugen_apart(OWN_ROWS * SIDE),
          GRUGEN_CHUNK * grugen_apart(SUMS * OWN_UNITS * SIDE), OWN_UNITS * SIDE> {
    static constexpr bool is_along = false; // chunks are [depth][vector]
    static constexpr int own_rows = OWN_ROWS;
    static constexpr int own_units = OWN_UNITS;
    static constexpr int side = SIDE;
    static constexpr int row_stride = grugen_apart(OWN_ROWS * SIDE);
    static constexpr int unit_stride = grugen_apart(SUMS * OWN_UNITS * SIDE);
};

// Places of a line of a chunk of bfloat16: eight lines' pieces of 16 bytes lie on banks of their own.
// Along the depth, pieces change their places for that.
constexpr int grugen_paired_line(int vectors, bool is_along)
{
    return is_along ? GRUGEN_LINE : vectors / 2 + 4;
}

constexpr int grugen_paired_chunk(int vectors, bool is_along)
{
    return grugen_paired_line(vectors, is_along) * (is_along ? vectors : 2 * GRUGEN_LINE);
}

// How many of a block's warps stand below each other: so that they read least from shared memory.
constexpr int grugen_warps_down(int sums, int rows, int units, int warps)
{
    int best = 0;
    int least = 0;
    for (int down = 1; down <= warps; down *= 2) {
        const int across = warps / down;
        if (rows % (16 * down) != 0 || units % (8 * across) != 0) { continue; }
        const int reads = rows / down + sums * units / across;
        if (best != 0 && reads > least) { continue; }
        best = down;
        least = reads;
    }
    return best;
}

// A tile for tensor cores. Chunks are [vector][depth] if IS_ALONG, else [depth][vector].
template <grugen_arithmetic ARITHMETIC, int SUMS, int ROWS, int UNITS, int THREADS, bool IS_ALONG>
struct grugen_tensor_shape
    : grugen_sizes<
          SUMS, ROWS, UNITS, THREADS, GRUGEN_CHUNK * (IS_ALONG ? ROWS : grugen_apart(ROWS)),
          GRUGEN_CHUNK * (IS_ALONG ? SUMS * UNITS : grugen_apart(SUMS * UNITS)),
          // four rows of eight sums lie on banks of their own
          UNITS + 8> {
    static constexpr bool is_along = IS_ALONG;
    static constexpr int row_stride = IS_ALONG ? GRUGEN_CHUNK : grugen_apart(ROWS);
    static constexpr int unit_stride = IS_ALONG ? GRUGEN_CHUNK : grugen_apart(SUMS * UNITS);
    static constexpr int blocks = 512 / THREADS; // of a processor, that have the registers
    static constexpr int warps = THREADS / GRUGEN_WARP;
    static constexpr int down = grugen_warps_down(SUMS, ROWS, UNITS, warps);
    static constexpr int across = warps / down;
};

// A tile of bfloat16, where two elements share a place. Chunks are lines: of a vector, if IS_ALONG, or
// of what all vectors have at one place of the depth.
template <int SUMS, int ROWS, int UNITS, int THREADS, bool IS_ALONG>
struct grugen_paired_shape
    : grugen_sizes<
          SUMS, ROWS, UNITS, THREADS, grugen_paired_chunk(ROWS, IS_ALONG),
          grugen_paired_chunk(SUMS * UNITS, IS_ALONG), UNITS + 8> {
    static constexpr bool is_along = IS_ALONG;
    static constexpr bool is_paired = true;
    static constexpr int deep = 2 * GRUGEN_LINE;
    static constexpr int row_line = grugen_paired_line(ROWS, IS_ALONG);
    static constexpr int unit_line = grugen_paired_line(SUMS * UNITS, IS_ALONG);
    static constexpr int blocks = (ROWS < 256 ? 512 : 256) / THREADS; // as above
    static constexpr int warps = THREADS / GRUGEN_WARP;
    static constexpr int down = IS_ALONG ? grugen_warps_down(SUMS, ROWS, UNITS, warps)
                                         : warps / grugen_warps_down(SUMS, UNITS, ROWS, warps);
    static constexpr int across = warps / down;
};

// Threads of a large tile for tensor cores: factors in two parts take registers from the sums.
enum { GRUGEN_TENSOR_THREADS = GRUGEN_PRODUCTS == GRUGEN_3XTF32 ? 512 : 256 };

// Whether tensor cores form products with so many sums: a warp has 16 rows and 8 units at least.
constexpr bool grugen_on_tensor_cores(int sums)
{
    return GRUGEN_PRODUCTS != GRUGEN_IEEE && GRUGEN_TENSOR_THREADS * sums <= 4096;
}

template <grugen_arithmetic ARITHMETIC, int SUMS, int ROWS, int UNITS, int THREADS, bool IS_ALONG>
using grugen_core_shape = std::conditional_t<
    ARITHMETIC == GRUGEN_BFLOAT16, grugen_paired_shape<SUMS, ROWS, UNITS, THREADS, IS_ALONG>,
    grugen_tensor_shape<ARITHMETIC, SUMS, ROWS, UNITS, THREADS, IS_ALONG>>;

// A large tile is for very many rows: what a thread reads for a step of the depth, it uses most
// often. Smaller ones are for so few rows that larger ones would leave processors without work.
template <int SUMS, grugen_arithmetic ARITHMETIC, bool ON_TENSOR_CORES = grugen_on_tensor_cores(SUMS)>
struct grugen_shapes {
    static constexpr int large_units = grugen_power(GRUGEN_HELD / 8 / SUMS);
    static constexpr int most_rows = grugen_power(GRUGEN_HELD / (large_units * SUMS));
    static constexpr int large_rows = most_rows < 8 ? most_rows : 8;
    static constexpr int small_units = grugen_power(GRUGEN_HELD / 16 / SUMS);
    static constexpr int middle_rows = large_rows < 4 ? large_rows : 4;
    static constexpr int small_rows = large_rows < 2 ? large_rows : 2;
    using large = grugen_shape<SUMS, large_rows, large_units, 16>;
    using middle = grugen_shape<SUMS, middle_rows, small_units, 16>;
    using small = grugen_shape<SUMS, small_rows, small_units, 16>;
};

template <int SUMS, grugen_arithmetic ARITHMETIC>
struct grugen_shapes<SUMS, ARITHMETIC, true> {
    // factors in two parts take registers from sums; sixteen warps have work
    static constexpr int fewer_units = grugen_power(96 / SUMS) < 16 ? 16 : grugen_power(96 / SUMS);
    static constexpr int large_units =
        ARITHMETIC == GRUGEN_3XTF32 ? fewer_units : grugen_power(128 / SUMS);
    static constexpr int small_units = large_units < 64 ? large_units : 64;
    // of bfloat16 more sums than 96 for a row take a processor's registers for one block
    static constexpr int longer =
        ARITHMETIC == GRUGEN_BFLOAT16 && SUMS * large_units > 96 ? 2 : 1;
    // eight warps have work
    static constexpr int small_rows = small_units < 32 ? 1024 / small_units : 32;
    template <int ROWS, int UNITS, int THREADS>
    using shape = grugen_core_shape<ARITHMETIC, SUMS, ROWS, UNITS, THREADS, true>;
    using large = shape<longer * 128, large_units, GRUGEN_TENSOR_THREADS>;
    using small = shape<small_rows, small_units, 256>;
    using middle = small;
};

template <int SUMS, grugen_arithmetic ARITHMETIC = GRUGEN_PRODUCTS>
using grugen_large = typename grugen_shapes<SUMS, ARITHMETIC>::large;
template <int SUMS, grugen_arithmetic ARITHMETIC = GRUGEN_PRODUCTS>
using grugen_middle = typename grugen_shapes<SUMS, ARITHMETIC>::middle;
template <int SUMS, grugen_arithmetic ARITHMETIC = GRUGEN_PRODUCTS>
using grugen_small = typename grugen_shapes<SUMS, ARITHMETIC>::small;

// A block's shared memory, which a launch asks for: chunks of the operands, or sums; and where each
// row's vector is.
template <class Shape>
struct grugen_block_memory {
    alignas(128) GRUGEN_REAL elements[Shape::elements];
    const void *vectors[Shape::rows];

    static_assert(sizeof elements + sizeof vectors <= 99 * 1024, "a block of sm_86 has no more");
};

// The tile of a block: there are as many blocks as tiles, those of the same rows side by side.
template <class Shape>
struct grugen_block_tile {
    int row;
    int unit;

    __device__ explicit grugen_block_tile(int units)
    {
        const int groups = (units + Shape::units - 1) / Shape::units;
        row = (int)blockIdx.x / groups * Shape::rows;
        unit = (int)blockIdx.x % groups * Shape::units;
    }
};
