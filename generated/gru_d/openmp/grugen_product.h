// Products with packed matrices: a tile of rows times vectors of units stays in registers while
// the depth runs by, and is handed to the epilogue of its stage vector by vector (Goto & van de
// Geijn 2008). Every element is a sum over the depth in an order that follows from the sizes alone,
// whatever the tile, so results depend neither on how rows are grouped nor on who computes them.
#pragma once

#include <stdint.h>
#include <string.h>

#include "grugen_panel.h"
#include "grugen_profile.h"
#include "grugen_team.h"
#include "grugen_vector.h"
#include "grugen_wanted.h"

#define GRUGEN_TILE_ROWS(wide) GRUGEN_ROWS_OF(GRUGEN_SIDE(wide) * GRUGEN_GROUP(wide))
#define GRUGEN_SUMS(wide) (GRUGEN_SIDE(wide) * 12 * (wide))

// How many bytes ahead of their use weights are asked for: far enough for those that come from
// beyond the second cache; for nearer ones the distance does not matter.
enum { GRUGEN_AHEAD = 6 * 1024 };

// Where a stage is: units unit..unit_end of rows row..row_end, and where it goes from there.
typedef struct grugen_tile {
    int64_t unit, unit_end;
    int64_t row, row_end;
    int64_t units, stop, rows;
    int64_t unit_step, row_step;
    int64_t left; // groups of `unit_step` units that are not done
    int backwards; // the last group comes first
} grugen_tile;

// The first tile of this member of the team; there is none if nothing is left. `turn` is the
// number of the first row: steps go through the weights forwards and backwards by turns, because
// the weights that a step reads last are still in the nearest cache when the next step begins.
GRUGEN_INLINE grugen_tile grugen_first_tile(
    int64_t units, int64_t turn, int64_t rows, const int wide, const grugen_team *team)
{
    const int64_t panel = GRUGEN_PANEL_UNITS(wide);
    int64_t first, last;
    grugen_team_share(team, (units + panel - 1) / panel, &first, &last);
    grugen_tile at = {.units = units, .rows = rows, .unit = first * panel};
    at.stop = rows < 1 ? at.unit : grugen_least(last * panel, units);
    // few rows read every weight for little work: two panels together hide the latency of sums
    at.unit_step = panel * (rows > 2 ? 1 : rows == 2 || wide > 1 ? 2 : 4);
    at.left = (at.stop - at.unit + at.unit_step - 1) / at.unit_step;
    at.backwards = (int)((rows > 1 ? turn / rows : turn) % 2);
    if (at.backwards && at.left > 1) { at.unit += (at.left - 1) * at.unit_step; }
    at.unit_end = grugen_least(at.unit + at.unit_step, at.stop);
    const int64_t tiles = (rows + GRUGEN_TILE_ROWS(wide) - 1) / GRUGEN_TILE_ROWS(wide);
    at.row_step = tiles < 1 ? 1 : (rows + tiles - 1) / tiles;
    at.row_end = grugen_least(at.row_step, rows);
    return at;
}

// All rows of some units, then the next units: the panel stays in the nearest cache.
GRUGEN_INLINE void grugen_next_tile(grugen_tile *at)
{
    at->row = at->row_end;
    if (at->row >= at->rows) {
        at->row = 0;
        at->left -= 1;
        at->unit += at->backwards ? -at->unit_step : at->unit_step;
        at->unit_end = grugen_least(at->unit + at->unit_step, at->stop);
    }
    at->row_end = grugen_least(at->row + at->row_step, at->rows);
}

// One register tile: `rows`, `panels` and `vectors` are constants wherever this is inlined.
// Sum (row r, vector v of panel p) is at sums[r * row_stride + (p * vectors + v) * stride].
// Meanwhile the lines wanted[0..depth] are fetched.
GRUGEN_INLINE void grugen_register_tile(
    const GRUGEN_REAL *panel, int64_t panel_step, int64_t depth, const GRUGEN_REAL *const *operand,
    const int rows, const int panels, const int vectors, grugen_vector *sums, int64_t row_stride,
    int64_t panel_stride, int64_t stride, int adds, const char *const *wanted)
{
    grugen_vector sum[12][24];
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
        for (int p = 0; p < panels; ++p) {
#pragma GCC unroll 6
            for (int v = 0; v < vectors; ++v) {
                grugen_vector *const from = sums + r * row_stride + p * panel_stride + v * stride;
                sum[r][p * vectors + v] = adds ? *from : (grugen_vector){0};
            }
        }
    }
    // what is used after the loop waits in memory: the rows' pointers take all registers, and what
    // GCC moves to mask registers comes back through a port that multiply-adds need
    __asm__("" : "+m"(sums), "+m"(row_stride), "+m"(panel_stride), "+m"(stride));
    for (int64_t k = 0; k < depth; ++k) {
        __builtin_prefetch(wanted[k]);
#pragma GCC unroll 4
        for (int p = 0; p < panels; ++p) {
            const GRUGEN_REAL *const weights =
                panel + p * panel_step + k * (vectors * GRUGEN_LANES);
            grugen_vector column[6];
#pragma GCC unroll 6
            for (int v = 0; v < vectors; ++v) {
                const GRUGEN_REAL *const weight = weights + v * GRUGEN_LANES;
                // few rows are done sooner than weights come, and the machine foresees these
                if (rows > 2) { __builtin_prefetch((const char *)weight + GRUGEN_AHEAD); }
                column[v] = grugen_load_whole_v(weight);
            }
#pragma GCC unroll 12
            for (int r = 0; r < rows; ++r) {
                const GRUGEN_REAL element = operand[r][k];
#pragma GCC unroll 6
                for (int v = 0; v < vectors; ++v) { sum[r][p * vectors + v] += element * column[v]; }
            }
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
        for (int p = 0; p < panels; ++p) {
#pragma GCC unroll 6
            for (int v = 0; v < vectors; ++v) {
                sums[r * row_stride + p * panel_stride + v * stride] = sum[r][p * vectors + v];
            }
        }
    }
}

// A tile of any number of rows and panels, for a constant number of vectors.
GRUGEN_INLINE void grugen_tile_of(
    const GRUGEN_REAL *panel, int64_t panel_step, int64_t depth, const GRUGEN_REAL *const *operand,
    int64_t rows, int64_t panels, const int vectors, grugen_vector *sums, int64_t row_stride,
    int64_t panel_stride, int64_t stride, int adds, const char *const *wanted)
{
#define GRUGEN_CASE(r, p)                                                                        \
    grugen_register_tile(panel, panel_step, depth, operand, r, p, vectors, sums, row_stride,     \
                         panel_stride, stride, adds, wanted)
    // what does not fit the registers is never asked for, and not compiled
#define GRUGEN_ROWS_CASE(r)                                                                      \
    case r:                                                                                      \
        if (GRUGEN_ROWS_OF(vectors) >= (r)) { GRUGEN_CASE(r, 1); }                               \
        break
    if (panels > 1) {
        switch (rows * 4 + panels) {
        case 6: GRUGEN_CASE(1, 2); break;
        case 7:
            if (vectors == 2) { GRUGEN_CASE(1, 3); }
            break;
        case 8:
            if (vectors == 2) { GRUGEN_CASE(1, 4); }
            break;
        default: GRUGEN_CASE(2, 2); break;
        }
        return;
    }
    switch (rows) {
    case 1: GRUGEN_CASE(1, 1); break;
    case 2: GRUGEN_CASE(2, 1); break;
    case 3: GRUGEN_CASE(3, 1); break;
    case 4: GRUGEN_CASE(4, 1); break;
        GRUGEN_ROWS_CASE(5);
        GRUGEN_ROWS_CASE(6);
        GRUGEN_ROWS_CASE(7);
        GRUGEN_ROWS_CASE(8);
        GRUGEN_ROWS_CASE(9);
        GRUGEN_ROWS_CASE(10);
        GRUGEN_ROWS_CASE(11);
        GRUGEN_ROWS_CASE(12);
    default: break;
    }
#undef GRUGEN_CASE
#undef GRUGEN_ROWS_CASE
}

#define GRUGEN_TILE_FUNCTION(vectors)                                                            \
    static __attribute__((noinline, unused)) void grugen_tile_##vectors(                         \
        const GRUGEN_REAL *panel, int64_t panel_step, int64_t depth,                             \
        const GRUGEN_REAL *const *operand, int64_t rows, int64_t panels, grugen_vector *sums,    \
        int64_t row_stride, int64_t panel_stride, int64_t stride, int adds,                      \
        const char *const *wanted)                                                               \
    {                                                                                            \
        grugen_tile_of(panel, panel_step, depth, operand, rows, panels, vectors, sums,           \
                       row_stride, panel_stride, stride, adds, wanted);                          \
    }
GRUGEN_TILE_FUNCTION(1)
GRUGEN_TILE_FUNCTION(2)
GRUGEN_TILE_FUNCTION(3)
#if GRUGEN_MOST_VECTORS > 3
GRUGEN_TILE_FUNCTION(4)
GRUGEN_TILE_FUNCTION(5)
GRUGEN_TILE_FUNCTION(6)
#endif

// Dot products of a unit's weights with some rows.
GRUGEN_INLINE void grugen_row_dots(
    const GRUGEN_REAL *weights, int64_t depth, const GRUGEN_REAL *const *operand, const int rows,
    int64_t unit, grugen_vector *sums)
{
    grugen_vector sum[4] = {{0}, {0}, {0}, {0}};
    for (int64_t k = 0; k < depth; k += GRUGEN_LANES) {
        const int lanes = grugen_lanes(depth - k);
        const grugen_vector weight = grugen_load_v(weights + k, lanes);
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) { sum[r] += weight * grugen_load_v(operand[r] + k, lanes); }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) { sums[r][unit] += grugen_lanes_sum(sum[r]); }
}

// The sums of few units, each by itself: unit number u of row r is lane u of sums[r].
static __attribute__((noinline, unused)) void grugen_dots(
    const GRUGEN_REAL *weights, int64_t depth, int64_t units, const GRUGEN_REAL *const *operand,
    int64_t rows, grugen_vector *sums, int adds)
{
    for (int64_t r = 0; r < rows && !adds; ++r) { sums[r] = (grugen_vector){0}; }
    for (int64_t unit = 0; unit < units; ++unit, weights += depth) {
        int64_t r = 0;
        for (; r + 4 <= rows; r += 4) {
            grugen_row_dots(weights, depth, operand + r, 4, unit, sums + r);
        }
        for (; r < rows; ++r) {
            grugen_row_dots(weights, depth, operand + r, 1, unit, sums + r);
        }
    }
}

// Sums first..first + count of the `wide` sums of a stage, for the rows and units of a tile:
// sum number a of unit vector u and row r is at sums[(u * rows + r) * wide + a]. They start at 0,
// or go on if `adds`. operand[r] is where the vector that row r multiplies begins.
GRUGEN_INLINE void grugen_multiply(
    const grugen_tile *at, grugen_wanted *lines, const GRUGEN_REAL *panel, int64_t depth,
    const GRUGEN_REAL *const *operand, const int first, const int count, const int wide,
    const int adds, grugen_vector *sums)
{
    const int64_t units = GRUGEN_PANEL_UNITS(wide);
    const int64_t rows = at->row_end - at->row;
    const int64_t half = grugen_half_panel(at->units, wide);
    const int64_t whole_end = grugen_least(at->unit_end, half);
    const int64_t panels = (whole_end - at->unit + units - 1) / units;
    const int64_t panel_step = units * count * depth;
    const GRUGEN_REAL *weights = panel + at->unit / units * panel_step;
    const char *const *const wanted = grugen_wanted_now(lines, depth);
    const int64_t begun = grugen_products_begin((at->unit_end - at->unit) * rows * depth * count);
    if (half < at->unit_end) {
        grugen_vector *const to = sums + (half - at->unit) / GRUGEN_LANES * rows;
        const GRUGEN_REAL *const last = panel + half * depth;
        const GRUGEN_REAL *const *const from = operand + at->row;
        if (grugen_are_few(at->units - half, depth)) {
            grugen_dots(last, depth, at->units - half, from, rows, to, adds);
        } else {
            grugen_tile_1(last, 0, depth, from, rows, 1, to, 1, 0, 0, adds, wanted);
        }
        if (panels < 1) {
            grugen_products_end(begun);
            return;
        }
    }
    for (int a = 0; a < count; a += GRUGEN_GROUP(wide)) {
        const int some = count - a < GRUGEN_GROUP(wide) ? count - a : GRUGEN_GROUP(wide);
        grugen_vector *const to = sums + first + a;
        const GRUGEN_REAL *const *const from = operand + at->row;
        const int64_t next = GRUGEN_SIDE(wide) * rows * wide;
        const int64_t stride = wide == 1 ? rows : 1;
        switch (some * GRUGEN_SIDE(wide)) {
        case 1:
            grugen_tile_1(weights, panel_step, depth, from, rows, panels, to, wide, next, stride,
                          adds, wanted);
            break;
        case 2:
            grugen_tile_2(weights, panel_step, depth, from, rows, panels, to, wide, next, stride,
                          adds, wanted);
            break;
        case 3:
            grugen_tile_3(weights, panel_step, depth, from, rows, panels, to, wide, next, stride,
                          adds, wanted);
            break;
#if GRUGEN_MOST_VECTORS > 3
        case 4:
            grugen_tile_4(weights, panel_step, depth, from, rows, panels, to, wide, next, stride,
                          adds, wanted);
            break;
        case 5:
            grugen_tile_5(weights, panel_step, depth, from, rows, panels, to, wide, next, stride,
                          adds, wanted);
            break;
        case 6:
            grugen_tile_6(weights, panel_step, depth, from, rows, panels, to, wide, next, stride,
                          adds, wanted);
            break;
#endif
        default: break;
        }
        weights += some * units * depth;
    }
    grugen_products_end(begun);
}
