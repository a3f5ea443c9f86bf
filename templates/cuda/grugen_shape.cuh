// The sizes of a tile of rows and units that a block of threads multiplies together.
#pragma once

#include "grugen_rows.cuh"

enum {
    GRUGEN_CHUNK = 64 / (int)sizeof(GRUGEN_REAL), // elements of the depth that are fetched together
    GRUGEN_STAGES = 2, // chunks in shared memory at a time
    GRUGEN_WIDE = 16 / (int)sizeof(GRUGEN_REAL), // elements that a thread reads at once
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

// SIDE times SIDE threads; each has OWN_ROWS rows and OWN_UNITS units, with SUMS sums for each pair.
template <int SUMS, int OWN_ROWS, int OWN_UNITS, int SIDE>
struct grugen_shape {
    static constexpr int sums = SUMS;
    static constexpr int own_rows = OWN_ROWS;
    static constexpr int own_units = OWN_UNITS;
    static constexpr int side = SIDE;
    static constexpr int threads = SIDE * SIDE;
    static constexpr int rows = OWN_ROWS * SIDE;
    static constexpr int units = OWN_UNITS * SIDE;
    static constexpr int row_stride = grugen_apart(rows);
    static constexpr int unit_stride = grugen_apart(SUMS * units);
    static constexpr int chunk = GRUGEN_CHUNK * (row_stride + unit_stride);
    static constexpr int elements = GRUGEN_STAGES * chunk;
    // sums are handed out for some rows at a time
    static constexpr int slices = grugen_slices_of(SUMS * rows * units, elements);
    static constexpr int slice_rows = rows / slices;
    static constexpr int items = slice_rows * units;
};

// A tile for very many rows: what a thread reads for a step of the depth, it uses most often.
template <int SUMS>
struct grugen_large_sizes {
    static constexpr int units = grugen_power(GRUGEN_HELD / 8 / SUMS);
    static constexpr int most_rows = grugen_power(GRUGEN_HELD / (units * SUMS));
    static constexpr int rows = most_rows < 8 ? most_rows : 8;
    using shape = grugen_shape<SUMS, rows, units, 16>;
};

// A tile for so few rows that larger ones would leave processors without work.
template <int SUMS>
struct grugen_small_sizes {
    static constexpr int large_rows = grugen_large_sizes<SUMS>::rows;
    static constexpr int units = grugen_power(GRUGEN_HELD / 16 / SUMS);
    using shape = grugen_shape<SUMS, (large_rows < 2 ? large_rows : 2), units, 16>;
};

template <int SUMS>
using grugen_large = typename grugen_large_sizes<SUMS>::shape;
template <int SUMS>
using grugen_small = typename grugen_small_sizes<SUMS>::shape;

// A block's shared memory: chunks of the operands, or sums; and where each row's vector is.
template <class Shape>
struct grugen_block_memory {
    alignas(32) GRUGEN_REAL elements[Shape::elements];
    const void *vectors[Shape::rows];
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
