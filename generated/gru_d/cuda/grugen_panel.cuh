// Matrices in the order in which products read them: packed once a call, and kept in a block's shared
// memory where a loop multiplies with them in every step.
#pragma once

#include <stdint.h>

#include "grugen_memory.cuh"
#include "grugen_stored.cuh"
#include "grugen_team.cuh"

// Packed matrices that are multiplied with the same vectors. Four elements of the depth stand
// together: [depth / 4][matrix][units], filled up with zeros.
struct grugen_panel {
    const grugen_stored_four *fours;
    int units; // from one matrix to the next
    int line; // from one four of the depth to the next
    int first; // the unit that comes first: not all of them where blocks share them
};

__host__ __device__ inline int64_t grugen_fours(int64_t depth) { return (depth + 3) / 4; }

// How many elements a panel of `matrices` takes.
__host__ __device__ inline int64_t
grugen_panel_size(int64_t depth, int64_t matrices, int64_t units)
{
    return grugen_fours(depth) * matrices * grugen_padded((int)units) * 4;
}

// Element (unit, k) of a matrix is at matrix[unit * unit_stride + k * depth_stride]; it becomes
// number `which` of the `matrices` of a panel. A thread packs fours; those that come after the last
// one that had work to do begin with the next matrix.
__device__ inline void grugen_pack(
    grugen_launched *turn,
    GRUGEN_STORED *panel,
    int64_t depth,
    int64_t which,
    int64_t matrices,
    const GRUGEN_STORED *matrix,
    int64_t units,
    int64_t unit_stride,
    int64_t depth_stride)
{
    grugen_stored_four *const fours = reinterpret_cast<grugen_stored_four *>(panel);
    const int64_t padded = grugen_padded((int)units);
    const int64_t count = grugen_fours(depth) * padded;
    // four elements that follow each other are read at once, where they lie so
    const bool is_along = depth_stride == 1 && unit_stride % 4 == 0 &&
        reinterpret_cast<uintptr_t>(matrix) % sizeof(grugen_stored_four) == 0;
    int64_t item = turn->rank;
#pragma unroll 4
    for (; item < count; item += turn->size) {
        // a panel that takes more than 32 bits to count would not fit a device's memory well
        const unsigned four = (unsigned)item / (unsigned)padded;
        const int64_t unit = item - four * padded;
        const int64_t first = 4 * (int64_t)four;
        grugen_stored_four packed = {};
        if (is_along && unit < units && first + 4 <= depth) {
            packed = grugen_read(reinterpret_cast<const grugen_stored_four *>(
                matrix + unit * unit_stride + first));
        } else {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                if (unit < units && first + e < depth) {
                    packed.of[e] = matrix[unit * unit_stride + (first + e) * depth_stride];
                }
            }
        }
        fours[(four * matrices + which) * padded + unit] = packed;
    }
    turn->rank = (int)(item - count);
}

// A panel where it was packed.
__host__ __device__ inline grugen_panel
grugen_panel_at(const GRUGEN_STORED *packed, int matrices, int units)
{
    const int padded = grugen_padded(units);
    return {reinterpret_cast<const grugen_stored_four *>(packed), padded, matrices * padded, 0};
}

// Fours of the depth are so far apart in shared memory that the lanes that read together, some
// units of some fours each, find them on different banks.
__device__ inline int grugen_line(int fours, int split)
{
    const int together = GRUGEN_WARP / split;
    while (together < 8 && fours % 8 != together) { ++fours; }
    return fours;
}

// This block's slice of a panel, copied to `memory`, where it stays.
__device__ inline grugen_panel grugen_keep_panel(
    const grugen_team &team,
    const GRUGEN_STORED *packed,
    int64_t depth,
    int matrices,
    int64_t units,
    int split,
    void *memory)
{
    grugen_stored_four *const kept = static_cast<grugen_stored_four *>(memory);
    const grugen_stored_four *const whole = reinterpret_cast<const grugen_stored_four *>(packed);
    const int padded = grugen_padded((int)units);
    const int first = team.first_unit(units, team.part);
    const int width = grugen_padded(team.first_unit(units, team.part + 1) - first);
    const int line = grugen_line(matrices * width, split);
    const int count = (int)grugen_fours(depth) * matrices * width;
#pragma unroll 4
    for (int item = team.rank; item < count; item += team.size) {
        const int of_matrix = (int)((unsigned)item / (unsigned)width);
        const int four = (int)((unsigned)of_matrix / (unsigned)matrices);
        const int unit = item - of_matrix * width;
        const int matrix = of_matrix - four * matrices;
        kept[four * line + matrix * width + unit] = grugen_read(whole + of_matrix * padded + first + unit);
    }
    return {kept, width, line, first};
}

// The units that a block has of a vector which so many blocks share, at most.
__host__ __device__ inline int grugen_most_units(int64_t units, int64_t parts)
{
    const int64_t fours = (units + 3) / 4;
    return (int)(4 * ((fours + parts - 1) / parts));
}

// What a block keeps of a panel when the units are cut into so many parts, in elements.
__host__ __device__ inline int64_t
grugen_kept_size(int64_t depth, int64_t matrices, int64_t units, int64_t parts)
{
    const int64_t width = grugen_most_units(units, parts);
    // as much as `grugen_line` may add
    return grugen_fours(depth) * (matrices * width + 6) * 4;
}
