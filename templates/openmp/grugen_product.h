// Products with packed matrices: a tile of rows times vectors of units stays in registers while
// the depth runs by, and is handed to the epilogue of its stage vector by vector (Goto & van de
// Geijn 2008). Every element is a sum over the depth in an order that follows from the sizes alone,
// whatever the tile, so results depend neither on how rows are grouped nor on who computes them.
#pragma once

#include <stdint.h>
#include <string.h>

#include "grugen_profile.h"
#include "grugen_team.h"
#include "grugen_vector.h"
#include "grugen_wanted.h"

// A stage with `wide` sums for each unit has them side by side in its panels, a vector of units
// after the other; with one sum, two vectors of units stand side by side, unless a single one is
// left for the last panel.
#define GRUGEN_SIDE(wide) ((wide) == 1 ? 2 : 1)
#define GRUGEN_PANEL_UNITS(wide) (GRUGEN_SIDE(wide) * GRUGEN_LANES)

// More sums than fit the registers are computed in groups of about one size.
#define GRUGEN_GROUPS(wide) (((wide) + GRUGEN_MOST_VECTORS - 1) / GRUGEN_MOST_VECTORS)
#define GRUGEN_GROUP(wide) (((wide) + GRUGEN_GROUPS(wide) - 1) / GRUGEN_GROUPS(wide))
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

// `width` rounded up to whole vectors: the stride of rows of the kernel's own memory.
static inline int64_t grugen_padded(int64_t width)
{
    return (width + GRUGEN_LANES - 1) / GRUGEN_LANES * GRUGEN_LANES;
}

// Two pieces of memory change places.
static inline void grugen_swap(GRUGEN_REAL **a, GRUGEN_REAL **b)
{
    GRUGEN_REAL *const before = *a;
    *a = *b;
    *b = before;
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
GRUGEN_INLINE void grugen_turn_four(
    GRUGEN_REAL *to, int64_t to_stride, const GRUGEN_REAL *from, int64_t from_stride)
{
    const grugen_four a = *(const grugen_stored_four *)from;
    const grugen_four b = *(const grugen_stored_four *)(from + from_stride);
    const grugen_four c = *(const grugen_stored_four *)(from + 2 * from_stride);
    const grugen_four d = *(const grugen_stored_four *)(from + 3 * from_stride);
    const grugen_four ab = GRUGEN_MIX(a, b, 0, 4, 1, 5), ab_end = GRUGEN_MIX(a, b, 2, 6, 3, 7);
    const grugen_four cd = GRUGEN_MIX(c, d, 0, 4, 1, 5), cd_end = GRUGEN_MIX(c, d, 2, 6, 3, 7);
    *(grugen_stored_four *)to = GRUGEN_MIX(ab, cd, 0, 1, 4, 5);
    *(grugen_stored_four *)(to + to_stride) = GRUGEN_MIX(ab, cd, 2, 3, 6, 7);
    *(grugen_stored_four *)(to + 2 * to_stride) = GRUGEN_MIX(ab_end, cd_end, 0, 1, 4, 5);
    *(grugen_stored_four *)(to + 3 * to_stride) = GRUGEN_MIX(ab_end, cd_end, 2, 3, 6, 7);
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
            grugen_turn_four(panel + k * step + j, step, matrix + j * unit_stride + k, unit_stride);
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
