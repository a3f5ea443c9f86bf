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
    int unit, width; // this lane's, and how many lanes have units of their own
    int own; // this lane's unit among those of its warp

    __device__ bool more() const { return tile < tiles; }

    // This lane's unit, or the last one: the first one in a block that has none.
    __device__ int some_unit() const { return unit < last ? unit : last > 0 ? last - 1 : 0; }

    // the rows of a tile whose sums this lane has in the end: of lanes that share a depth each has
    // others, and those that are left over have none
    int members, member;

    __device__ void place()
    {
        const int group = (int)((unsigned)tile / (unsigned)groups);
        row = group * rows;
        unit = first + (tile - group * groups) * width + own;
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

// With too few tiles for all warps, lanes share the depth; and they do until each holds its share of
// it, `held` fours, if matrices are held in registers.
__host__ __device__ inline int
grugen_split(int units, int row_tiles, int warps, int depth, int held)
{
    int split = 1;
    while (split < GRUGEN_WARP && 4 * split < grugen_fours(depth)) {
        const int groups = grugen_groups(units, split);
        // lanes that have no unit are free to share
        const bool is_free = grugen_groups(units, 2 * split) == groups;
        if (!is_free && groups * row_tiles * 2 > warps) { break; }
        split *= 2;
    }
    while (held > 0 && split < GRUGEN_WARP && grugen_fours(depth) > (int64_t)held * split &&
           grugen_groups(units, 2 * split) <= warps) {
        split *= 2;
    }
    return split;
}

// The first tile of a warp; where matrices are held all its tiles have the same units.
__device__ inline grugen_tile grugen_first_tile(
    const grugen_team &team, int count, int units, int depth, int rows, int held = 0)
{
    grugen_tile at;
    at.first = team.first_unit(units, team.part);
    at.last = team.first_unit(units, team.part + 1);
    at.rows = rows;
    at.row = at.unit = 0;
    const int row_tiles = (count + rows - 1) / rows;
    at.split = grugen_split(at.last - at.first, row_tiles, team.warps(), depth, held);
    at.width = GRUGEN_WARP / at.split;
    at.own = team.lane() % at.width;
    at.part = team.lane() / at.width;
    at.groups = grugen_groups(at.last - at.first, at.split);
    at.tiles = at.groups * row_tiles;
    at.tile = team.warp();
    at.step = team.warps();
    if (held > 0 && at.groups > 0 && at.groups < at.step) { at.step -= at.step % at.groups; }
    if (at.tile >= at.step) { at.tiles = 0; }
    at.members = at.member = 0;
    if (at.more()) {
        at.place();
        // all are powers of two
        const int each = at.split > rows ? at.split / rows : 1;
        at.members = at.part % each > 0 ? 0 : at.split < rows ? rows / at.split : 1;
        at.member = at.part * rows / at.split;
    }
    return at;
}

// How a vector lies in memory. An aligned one is our own: what fills up its last four is zero. One
// that is near is aligned, too, and in shared memory; rows that do not exist have some vector there.
// Beside it the matrices may be kept in shared memory as well.
enum grugen_layout {
    GRUGEN_LOOSE,
    GRUGEN_ALIGNED,
    GRUGEN_NEAR,
    GRUGEN_NEAR_MATRICES,
};

// The layout of an operand; `is_own` are those that a block's sequences have memory for.
template <class Team>
__device__ constexpr grugen_layout grugen_layout_of(bool is_own, bool is_aligned)
{
    constexpr grugen_layout near = Team::keeps ? GRUGEN_NEAR_MATRICES : GRUGEN_NEAR;
    return Team::posts || (Team::has_vectors && is_own && is_aligned) ? near
        : is_aligned                                                  ? GRUGEN_ALIGNED
                                                                      : GRUGEN_LOOSE;
}

// A load that might be from any memory stands in line behind those from global memory, so the
// compiler is told what is in shared memory.
template <bool NEAR, class Memory>
__device__ __forceinline__ const Memory *grugen_near(const Memory *memory)
{
#ifndef GRUGEN_EMULATOR
    if (NEAR) {
        const size_t address = __cvta_generic_to_shared(memory);
        return static_cast<const Memory *>(__cvta_shared_to_generic(address));
    }
#endif
    return memory;
}

// Four elements of a vector, beginning with number 4 * four.
template <grugen_layout LAYOUT, class Element>
__device__ __forceinline__ grugen_four_of<Element>
grugen_load_four(const Element *vector, int four)
{
    if (LAYOUT != GRUGEN_LOOSE) {
        const Element *const near = grugen_near<(LAYOUT >= GRUGEN_NEAR)>(vector);
        return grugen_read(reinterpret_cast<const grugen_four_of<Element> *>(near) + four);
    }
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
template <int FIRST, int MATRICES, grugen_layout LAYOUT, class Load, int ROWS, int SUMS>
__device__ __forceinline__ void grugen_multiply_four(
    const grugen_stored_four *weights, int units, const Load &load, GRUGEN_REAL (&sums)[ROWS][SUMS])
{
    grugen_stored_four weight[MATRICES];
#pragma unroll
    for (int m = 0; m < MATRICES; ++m) {
        weight[m] = grugen_read(grugen_near<LAYOUT == GRUGEN_NEAR_MATRICES>(weights) + m * units);
    }
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
template <int FIRST, int MATRICES, grugen_layout LAYOUT, class Element, int ROWS, int SUMS>
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
    const int whole = LAYOUT == GRUGEN_LOOSE ? depth / 4 : (int)grugen_fours(depth);
    int alive = LAYOUT >= GRUGEN_NEAR ? ROWS : 0;
#pragma unroll
    for (int row = 0; row < ROWS && LAYOUT < GRUGEN_NEAR; ++row) { alive += operand[row] != nullptr; }
    if (alive == 0) { return; }
    int four = at.part;
    if (alive == ROWS) {
#pragma unroll 4
        for (; four < whole; four += at.split) {
            grugen_multiply_four<FIRST, MATRICES, LAYOUT>(
                weights + four * line, panel.units,
                [&](int row) { return grugen_load_four<LAYOUT>(operand[row], four); }, sums);
        }
    } else {
        for (; four < whole; four += at.split) {
            grugen_multiply_four<FIRST, MATRICES, LAYOUT>(
                weights + four * line, panel.units,
                [&](int row) {
                    return operand[row] == nullptr
                        ? grugen_four_of<Element>{}
                        : grugen_load_four<LAYOUT>(operand[row], four);
                },
                sums);
        }
    }
    // the last one or two or three elements
    if (LAYOUT == GRUGEN_LOOSE && four == whole && 4 * whole < depth) {
        grugen_multiply_four<FIRST, MATRICES, LAYOUT>(
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
template <grugen_layout LAYOUT, class Rows, class VectorOf, class Element>
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
        const bool is_whole = LAYOUT != GRUGEN_LOOSE || 4 * four + 4 <= depth;
        const grugen_four_of<Element> found = is_whole
            ? grugen_load_four<LAYOUT>(vector, four)
            : grugen_load_rest(vector, four, depth);
        reinterpret_cast<grugen_four_of<Element> *>(memory)[item] = found;
    }
}

// Of twice KEPT rows a lane keeps one half and gives the lane at this distance the other: both add
// what they get.
template <int KEPT, int ROWS, int SUMS>
__device__ __forceinline__ void grugen_halve(int apart, GRUGEN_REAL (&sums)[ROWS][SUMS])
{
    const bool is_upper = ((int)threadIdx.x & apart) != 0;
#pragma unroll
    for (int row = 0; row < KEPT; ++row) {
#pragma unroll
        for (int sum = 0; sum < SUMS; ++sum) {
            const GRUGEN_REAL given = is_upper ? sums[row][sum] : sums[KEPT + row][sum];
            const GRUGEN_REAL kept = is_upper ? sums[KEPT + row][sum] : sums[row][sum];
            sums[row][sum] = kept + __shfl_xor_sync(0xffffffffu, given, apart);
        }
    }
}

// The sums of a single row of which `split` lanes have parts, LANES or more: each gets the whole. All
// steps are in one piece of code for each number of lanes.
template <int LANES, int SUMS>
__device__ __forceinline__ void grugen_combine_row(int split, GRUGEN_REAL (&sums)[SUMS])
{
    if (split == LANES) {
#pragma unroll
        for (int lanes = 2; lanes <= LANES; lanes *= 2) {
#pragma unroll
            for (int sum = 0; sum < SUMS; ++sum) {
                sums[sum] += __shfl_xor_sync(0xffffffffu, sums[sum], GRUGEN_WARP / lanes);
            }
        }
    } else if constexpr (LANES < GRUGEN_WARP) {
        grugen_combine_row<2 * LANES>(split, sums);
    }
}

// Bring together what the lanes that share a depth have summed up: each gets the whole of its own
// rows of the tile, which come first then.
template <int ROWS, int SUMS>
__device__ __forceinline__ void
grugen_combine(const grugen_tile &at, GRUGEN_REAL (&sums)[ROWS][SUMS])
{
    static_assert(ROWS == 1 || ROWS == 2 || ROWS == 4);
    if constexpr (ROWS > 2) {
        if (at.split > 1) { grugen_halve<2>(GRUGEN_WARP / 2, sums); }
    }
    if constexpr (ROWS > 1) {
        if (at.split > ROWS / 2) { grugen_halve<1>(GRUGEN_WARP / ROWS, sums); }
    }
    if constexpr (ROWS == 1) {
        grugen_combine_row<2>(at.split, sums[0]);
    } else {
        // lanes beyond have the same row
#pragma unroll
        for (int lanes = 2 * ROWS; lanes <= GRUGEN_WARP; lanes *= 2) {
            if (lanes > at.split) { break; }
#pragma unroll
            for (int sum = 0; sum < SUMS; ++sum) {
                sums[0][sum] += __shfl_xor_sync(0xffffffffu, sums[0][sum], GRUGEN_WARP / lanes);
            }
        }
    }
}

// The sums of row `which` of those that a lane has, where no register can be chosen by a number.
template <int ROWS, int SUMS>
__device__ __forceinline__ void grugen_pick(
    const grugen_tile &at,
    const GRUGEN_REAL (&sums)[ROWS][SUMS],
    int which,
    GRUGEN_REAL (&sum)[SUMS])
{
    // where at least as many lanes share a depth, each has one at most, which comes first
    if (ROWS > 1 && at.split >= ROWS) {
#pragma unroll
        for (int s = 0; s < SUMS; ++s) { sum[s] = sums[0][s]; }
        return;
    }
#pragma unroll
    for (int row = 0; row < ROWS; ++row) {
        if (row != which) { continue; }
#pragma unroll
        for (int s = 0; s < SUMS; ++s) { sum[s] = sums[row][s]; }
    }
}
