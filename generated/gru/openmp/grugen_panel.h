// Packed matrices: panels of whole vectors of units, of which a stage's products read one line after
// the other while the depth runs by.
#pragma once

#include <stdint.h>

#include "grugen_team.h"
#include "grugen_vector.h"

// A stage with `wide` sums for each unit has them side by side in its panels, a vector of units
// after the other; with one sum, two vectors of units stand side by side, unless a single one is
// left for the last panel.
#define GRUGEN_SIDE(wide) ((wide) == 1 ? 2 : 1)
#define GRUGEN_PANEL_UNITS(wide) (GRUGEN_SIDE(wide) * GRUGEN_LANES)

// More sums than fit the registers are computed in groups of about one size.
#define GRUGEN_GROUPS(wide) (((wide) + GRUGEN_MOST_VECTORS - 1) / GRUGEN_MOST_VECTORS)
#define GRUGEN_GROUP(wide) (((wide) + GRUGEN_GROUPS(wide) - 1) / GRUGEN_GROUPS(wide))

// `width` rounded up to whole vectors: the stride of rows of the kernel's own memory.
static inline int64_t grugen_padded(int64_t width)
{
    return (width + GRUGEN_LANES - 1) / GRUGEN_LANES * GRUGEN_LANES;
}

static inline int64_t grugen_least(int64_t a, int64_t b) { return a < b ? a : b; }

// Elements of memory for `count` of a stage's sums: whole panels.
static inline int64_t grugen_panel_size(int64_t depth, int wide, int count, int64_t units)
{
    const int64_t panel = GRUGEN_PANEL_UNITS(wide);
    return (units + panel - 1) / panel * panel * count * depth;
}

// Where the last panel begins that has half the width of the others; `units` if there is none.
GRUGEN_INLINE int64_t grugen_half_panel(int64_t units, const int wide)
{
    const int64_t panel = GRUGEN_PANEL_UNITS(wide);
    const int64_t last = (units - 1) / panel * panel;
    return wide == 1 && units > 0 && units - last <= GRUGEN_LANES ? last : units;
}

// Whether so many units of a last panel are few enough to be dot products of deep vectors: a tile
// would multiply mostly zeros. They lie one after the other.
GRUGEN_INLINE int grugen_are_few(int64_t units, int64_t depth)
{
    return units * 4 <= GRUGEN_LANES && units * 64 <= depth;
}

#if defined(__clang__)
#define GRUGEN_MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define GRUGEN_MIX(a, b, ...) __builtin_shuffle(a, b, (grugen_four_places){__VA_ARGS__})
#endif
typedef grugen_whole grugen_four_places __attribute__((vector_size(4 * sizeof(GRUGEN_REAL))));
typedef GRUGEN_REAL grugen_four __attribute__((vector_size(4 * sizeof(GRUGEN_REAL))));
typedef GRUGEN_REAL grugen_stored_four __attribute__((
    vector_size(4 * sizeof(GRUGEN_REAL)), aligned(sizeof(GRUGEN_REAL)), may_alias));

// Four elements of four lines become four lines of four elements.
GRUGEN_INLINE void
grugen_turn_four(const GRUGEN_REAL *from, int64_t stride, grugen_four (*const turned)[4])
{
    const grugen_four a = *(const grugen_stored_four *)from;
    const grugen_four b = *(const grugen_stored_four *)(from + stride);
    const grugen_four c = *(const grugen_stored_four *)(from + 2 * stride);
    const grugen_four d = *(const grugen_stored_four *)(from + 3 * stride);
    const grugen_four ab = GRUGEN_MIX(a, b, 0, 4, 1, 5), ab_end = GRUGEN_MIX(a, b, 2, 6, 3, 7);
    const grugen_four cd = GRUGEN_MIX(c, d, 0, 4, 1, 5), cd_end = GRUGEN_MIX(c, d, 2, 6, 3, 7);
    (*turned)[0] = GRUGEN_MIX(ab, cd, 0, 1, 4, 5);
    (*turned)[1] = GRUGEN_MIX(ab, cd, 2, 3, 6, 7);
    (*turned)[2] = GRUGEN_MIX(ab_end, cd_end, 0, 1, 4, 5);
    (*turned)[3] = GRUGEN_MIX(ab_end, cd_end, 2, 3, 6, 7);
}

// One sum's part of a panel: `depth` lines of `panel_units`, of which the first `units` are there.
GRUGEN_INLINE void grugen_fill_panel(
    GRUGEN_REAL *panel, int64_t step, int64_t panel_units, int64_t depth,
    const GRUGEN_REAL *matrix, int64_t units, int64_t unit_stride, int64_t depth_stride)
{
    // a matrix that lies the other way is turned over in small squares, for the sake of short calls
    const int64_t squares = depth_stride == 1 ? depth / 4 * 4 : 0;
    const int64_t square_units = units / 4 * 4;
    for (int64_t k = 0; k < squares; k += 4) {
        for (int64_t j = 0; j < square_units; j += 4) {
            grugen_four turned[4];
            grugen_turn_four(matrix + j * unit_stride + k, unit_stride, &turned);
            for (int line = 0; line < 4; ++line) {
                *(grugen_stored_four *)(panel + (k + line) * step + j) = turned[line];
            }
        }
    }
    for (int64_t k = 0; k < depth; ++k) {
        GRUGEN_REAL *const to = panel + k * step;
        const GRUGEN_REAL *const from = matrix + k * depth_stride;
        for (int64_t j = k < squares ? square_units : 0; j < units; ++j) {
            to[j] = from[j * unit_stride];
        }
        for (int64_t j = units; j < panel_units; ++j) { to[j] = 0; }
    }
}

// Put a matrix where sum number `a` of `count` finds it, from depth `before` of `whole_depth` on;
// element (unit, k) of it lies at unit * unit_stride + k * depth_stride. Units that fill the last
// panel up are 0. Every member of the team does some of the panels.
GRUGEN_INLINE void grugen_pack(
    const grugen_team *team, GRUGEN_REAL *panel, int64_t whole_depth, int64_t before,
    int64_t depth, const int a, const int count, const int wide, const GRUGEN_REAL *matrix,
    int64_t units, int64_t unit_stride, int64_t depth_stride)
{
    const int64_t whole = GRUGEN_PANEL_UNITS(wide), half = grugen_half_panel(units, wide);
    const int group = a / GRUGEN_GROUP(wide) * GRUGEN_GROUP(wide);
    const int some = count - group < GRUGEN_GROUP(wide) ? count - group : GRUGEN_GROUP(wide);
    int64_t first, last;
    grugen_team_share(team, (units + whole - 1) / whole, &first, &last);
    for (int64_t unit = first * whole; unit < units && unit < last * whole; unit += whole) {
        const int64_t panel_units = unit == half ? GRUGEN_LANES : whole;
        GRUGEN_REAL *to = panel + (unit * count + group * panel_units) * whole_depth +
                          before * some * panel_units + (a - group) * GRUGEN_LANES;
        const GRUGEN_REAL *from = matrix + unit * unit_stride;
        if (unit == half && grugen_are_few(units - half, whole_depth)) {
            to = panel + half * whole_depth + before;
            for (int64_t j = 0; j < units - half; ++j, to += whole_depth) {
                for (int64_t k = 0; k < depth; ++k) {
                    to[k] = from[j * unit_stride + k * depth_stride];
                }
            }
            return;
        }
        const int64_t there = grugen_least(units - unit, panel_units);
        grugen_fill_panel(to, some * panel_units, panel_units, depth, from, there, unit_stride,
                          depth_stride);
    }
}
