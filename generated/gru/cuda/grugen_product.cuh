// Products of packed matrices with the vectors of many rows: tiles of rows and units in registers,
// the depth of each product spread over the lanes of a warp when there are too few tiles.
#pragma once

#include <stdint.h>

#include "grugen_panel.cuh"
#include "grugen_rows.cuh"
#include "grugen_team.cuh"

// One tile of a stage after the other: `row`s first.., one unit for each lane, and this lane's part
// of the depth when `split` lanes share it.
struct grugen_tile {
    int tile, tiles, step, groups;
    int row, rows;
    int split, part;
    int first, last; // units of this block
    int unit;

    __device__ bool more() const { return tile < tiles; }

    __device__ void place()
    {
        const int group = (int)((unsigned)tile / (unsigned)groups);
        const int width = GRUGEN_WARP / split;
        const int lane = (int)threadIdx.x % GRUGEN_WARP;
        row = group * rows;
        unit = first + (tile - group * groups) * width + lane % width;
        part = lane / width;
    }

    __device__ void next()
    {
        tile += step;
        if (more()) { place(); }
    }
};

// How many warps a tile of rows takes side by side when `split` lanes share the depth of a unit.
__host__ __device__ inline int grugen_groups(int units, int split)
{
    return (units * split + GRUGEN_WARP - 1) / GRUGEN_WARP;
}

// With too few tiles for all warps, lanes share the depth.
__host__ __device__ inline int grugen_split(int units, int row_tiles, int warps, int depth)
{
    int split = 1;
    while (split < GRUGEN_WARP && grugen_groups(units, split) * row_tiles * 2 <= warps &&
           4 * split < grugen_fours(depth)) {
        split *= 2;
    }
    return split;
}

__device__ inline grugen_tile
grugen_first_tile(const grugen_team &team, int count, int units, int depth, int rows)
{
    grugen_tile at;
    at.first = team.first_unit(units, team.part);
    at.last = team.first_unit(units, team.part + 1);
    at.rows = rows;
    at.row = at.unit = at.part = 0;
    const int row_tiles = (count + rows - 1) / rows;
    at.split = grugen_split(at.last - at.first, row_tiles, team.warps(), depth);
    at.groups = grugen_groups(at.last - at.first, at.split);
    at.tiles = at.groups * row_tiles;
    at.tile = team.warp();
    at.step = team.warps();
    if (at.more()) { at.place(); }
    return at;
}

// Four elements of a vector, beginning with number 4 * four. An ALIGNED vector is our own: what
// fills up its last four is zero.
template <bool ALIGNED, class Element>
__device__ __forceinline__ grugen_four_of<Element>
grugen_load_four(const Element *vector, int four)
{
    if (ALIGNED) { return reinterpret_cast<const grugen_four_of<Element> *>(vector)[four]; }
    return {{vector[4 * four], vector[4 * four + 1], vector[4 * four + 2], vector[4 * four + 3]}};
}

template <class Element>
__device__ inline grugen_four_of<Element>
grugen_load_rest(const Element *vector, int four, int depth)
{
    grugen_four_of<Element> rest;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        rest.of[e] = 4 * four + e < depth ? vector[4 * four + e] : Element{};
    }
    return rest;
}

// One step of a product, four elements deep: `load` gives those of a row's vector.
template <int FIRST, int MATRICES, class Load, int ROWS, int SUMS>
__device__ __forceinline__ void grugen_multiply_four(
    const grugen_stored_four *weights, int units, const Load &load, GRUGEN_REAL (&sums)[ROWS][SUMS])
{
    grugen_stored_four weight[MATRICES];
#pragma unroll
    for (int m = 0; m < MATRICES; ++m) { weight[m] = weights[m * units]; }
#pragma unroll
    for (int row = 0; row < ROWS; ++row) {
        const auto x = load(row);
#pragma unroll
        for (int m = 0; m < MATRICES; ++m) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                sums[row][FIRST + m] += grugen_real_of(weight[m].of[e]) * grugen_real_of(x.of[e]);
            }
        }
    }
}

// Add the products of MATRICES packed matrices with each row's vector to sums FIRST.. of the row.
// `operand` is NULL for rows that do not exist.
template <int FIRST, int MATRICES, bool ALIGNED, class Element, int ROWS, int SUMS>
__device__ __forceinline__ void grugen_multiply(
    const grugen_tile &at,
    const grugen_panel &panel,
    int depth,
    const Element *const (&operand)[ROWS],
    GRUGEN_REAL (&sums)[ROWS][SUMS])
{
    // lanes beyond the last unit read what is there and keep it to themselves
    const int unit = (at.unit < at.last ? at.unit : at.last - 1) - panel.first;
    const grugen_stored_four *const weights = panel.fours + unit;
    const int line = panel.line;
    const int whole = ALIGNED ? (int)grugen_fours(depth) : depth / 4;
    int alive = 0;
#pragma unroll
    for (int row = 0; row < ROWS; ++row) { alive += operand[row] != nullptr; }
    if (alive == 0) { return; }
    int four = at.part;
    if (alive == ROWS) {
#pragma unroll 4
        for (; four < whole; four += at.split) {
            grugen_multiply_four<FIRST, MATRICES>(
                weights + four * line, panel.units,
                [&](int row) { return grugen_load_four<ALIGNED>(operand[row], four); }, sums);
        }
    } else {
        for (; four < whole; four += at.split) {
            grugen_multiply_four<FIRST, MATRICES>(
                weights + four * line, panel.units,
                [&](int row) {
                    return operand[row] == nullptr
                        ? grugen_four_of<Element>{}
                        : grugen_load_four<ALIGNED>(operand[row], four);
                },
                sums);
        }
    }
    // the last one or two or three elements
    if (!ALIGNED && four == whole && 4 * whole < depth) {
        grugen_multiply_four<FIRST, MATRICES>(
            weights + four * line, panel.units,
            [&](int row) {
                return operand[row] == nullptr ? grugen_four_of<Element>{}
                                               : grugen_load_rest(operand[row], four, depth);
            },
            sums);
    }
}

// Copy every row's vector to `memory`, where all products of a stage find it: a warp that asks for
// its rows by itself waits for each of them. Rows that do not exist stay as they are.
template <bool ALIGNED, class Rows, class VectorOf, class Element>
__device__ __forceinline__ void grugen_gather(
    const grugen_team &team,
    const Rows &rows,
    int depth,
    const VectorOf &vector_of,
    Element *memory)
{
    const int fours = (int)grugen_fours(depth);
    const int count = rows.count() * fours;
#pragma unroll 4
    for (int item = team.rank; item < count; item += team.size) {
        const int row = (int)((unsigned)item / (unsigned)fours);
        const int four = item - row * fours;
        const grugen_here here = rows.locate(row);
        if (!here.alive) { continue; }
        const Element *const vector = vector_of(here);
        const grugen_four_of<Element> found = ALIGNED || 4 * four + 4 <= depth
            ? grugen_load_four<ALIGNED>(vector, four)
            : grugen_load_rest(vector, four, depth);
        reinterpret_cast<grugen_four_of<Element> *>(memory)[item] = found;
    }
}

// Bring together what the lanes that share a depth have summed up: all of them get the whole.
template <int ROWS, int SUMS>
__device__ __forceinline__ void
grugen_combine(const grugen_tile &at, GRUGEN_REAL (&sums)[ROWS][SUMS])
{
    for (int apart = GRUGEN_WARP / 2; apart >= GRUGEN_WARP / at.split; apart /= 2) {
#pragma unroll
        for (int row = 0; row < ROWS; ++row) {
#pragma unroll
            for (int sum = 0; sum < SUMS; ++sum) {
                sums[row][sum] += __shfl_xor_sync(0xffffffffu, sums[row][sum], apart);
            }
        }
    }
}

// The sums of row `which` of a tile, where no register can be chosen by a number.
template <int ROWS, int SUMS>
__device__ __forceinline__ void
grugen_pick(const GRUGEN_REAL (&sums)[ROWS][SUMS], int which, GRUGEN_REAL (&sum)[SUMS])
{
#pragma unroll
    for (int row = 0; row < ROWS; ++row) {
        if (row != which) { continue; }
#pragma unroll
        for (int s = 0; s < SUMS; ++s) { sum[s] = sums[row][s]; }
    }
}
