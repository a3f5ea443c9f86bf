// What blocked products over rows are made of: how they are cut, panels, the register tile. The right
// and the left operand are packed block by block in the order in which a tile of accumulators reads
// them (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008; Van Zee and
// van de Geijn, "BLIS", 2015).
#pragma once

#include <stdint.h>
#include <string.h>

#include "grugen_product.h"
#include "grugen_tiling.h"

// The register tile: GRUGEN_ROWS units of the one operand, GRUGEN_VECTORS vectors of the other.
#define GRUGEN_VECTORS (GRUGEN_MOST_VECTORS > 3 ? 3 : 2)
#define GRUGEN_ROWS GRUGEN_ROWS_OF(GRUGEN_VECTORS)
#define GRUGEN_PANEL (GRUGEN_VECTORS * GRUGEN_LANES)

// One of several totals that share their right operand.
typedef struct grugen_outer {
    int list; // of rows that it goes by
    const GRUGEN_REAL *left; // row r starts at left + r * left_stride
    int64_t left_stride;
    int64_t units; // rows of the total
    GRUGEN_REAL *total; // (units, right_units), contiguous
    GRUGEN_REAL *sum; // (units), of the left by itself, or NULL
} grugen_outer;

static const GRUGEN_REAL grugen_one = 1;

enum {
    // Rows of a block. The narrow panel (GRUGEN_ROWS units of all rows) stays in L1 while the wide
    // ones run by from L2; long enough that adding a tile to its total costs next to nothing.
    GRUGEN_OUTER_DEPTH = 384,
    // Wide panels packed together: about half of an L2 cache, the other half is for the rest.
    GRUGEN_OUTER_PANELS = 24 / GRUGEN_VECTORS,
    // Narrow panels packed together, so that whole cache lines of the operand are used.
    GRUGEN_OUTER_TILES = 12,
    // Rows copied into one panel before the next panel's turn: what was fetched stays in L1.
    GRUGEN_OUTER_COPIED = 8,
    // Few tiles are cut along the rows as well, until there are this many ...
    GRUGEN_OUTER_ITEMS = 128,
    // ... but into slices of no fewer rows than this.
    GRUGEN_OUTER_SLICE = 512,
    // Rows of a wide panel fetched ahead of the one that is multiplied, no fewer than are copied.
    GRUGEN_OUTER_AHEAD = 16,
    // Rows so many elements apart share few sets of a cache; panels of nearer ones need no packing.
    GRUGEN_OUTER_APART = 2048 / (int)sizeof(GRUGEN_REAL),
    // Elements of a cache line.
    GRUGEN_LINE = 64 / (int)sizeof(GRUGEN_REAL),
};

// What a thread packs into, in elements.
#define GRUGEN_OUTER_NARROW (GRUGEN_OUTER_DEPTH * GRUGEN_OUTER_TILES * GRUGEN_ROWS)
#define GRUGEN_OUTER_PACKED \
    (GRUGEN_OUTER_NARROW + GRUGEN_OUTER_DEPTH * GRUGEN_OUTER_PANELS * GRUGEN_PANEL)

// The part `which` of `count` things in `parts` parts of about one size begins here.
static inline int64_t grugen_part(int64_t count, int64_t parts, int64_t which)
{
    return count * which / parts;
}

static inline int64_t grugen_larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

// How a product is cut. A tile is some narrow units times some vectors of wide ones; which operand
// is the wide one is chosen so that little of the last vectors is wasted, and little is packed.
typedef struct grugen_outer_cut {
    int turned; // the lefts are the wide side
    int64_t right; // units of the right, without the ones
    int64_t narrow; // units
    int64_t wide;
    int64_t tiles; // of narrow units
    int64_t vectors; // of wide units
    int64_t panels;
    int64_t slices; // of rows
    int64_t stride; // of a row of a slice's sums
} grugen_outer_cut;

static inline grugen_outer_cut
grugen_cut_outer(int64_t count, int64_t left_units, int64_t right, int64_t ones)
{
    const int64_t right_units = right + ones;
    // of one row: to pack a narrow unit takes as long as to multiply it with one more vector
    const int64_t across = left_units * ((right_units + GRUGEN_LANES - 1) / GRUGEN_LANES + 1);
    const int64_t along = right_units * ((left_units + GRUGEN_LANES - 1) / GRUGEN_LANES + 1);
    grugen_outer_cut cut;
    // a turned total is transposed when it is added: that must pay
    cut.turned = along * 32 < across * 31;
    cut.right = right;
    cut.narrow = cut.turned ? right_units : left_units;
    cut.wide = cut.turned ? left_units : right_units;
    cut.tiles = (cut.narrow + GRUGEN_ROWS - 1) / GRUGEN_ROWS;
    cut.vectors = (cut.wide + GRUGEN_LANES - 1) / GRUGEN_LANES;
    cut.panels = (cut.vectors + GRUGEN_VECTORS - 1) / GRUGEN_VECTORS;
    cut.stride = cut.vectors * GRUGEN_LANES;
    cut.slices = 1;
    while (cut.slices * cut.tiles * cut.panels < GRUGEN_OUTER_ITEMS
           && 2 * cut.slices * GRUGEN_OUTER_SLICE <= count) {
        cut.slices *= 2;
    }
    return cut;
}

static inline int64_t grugen_first_unit(const grugen_outer_cut *cut, int64_t tile)
{
    return grugen_part(cut->narrow, cut->tiles, tile);
}

static inline int64_t grugen_first_vector(const grugen_outer_cut *cut, int64_t panel)
{
    return grugen_part(cut->vectors, cut->panels, panel);
}

// Elements of the memory that all threads share, for at most `count` rows; `ones` is 1 if any left
// is summed up by itself.
static inline int64_t
grugen_outer_shared(int64_t count, int64_t left_units, int64_t right_units, int64_t ones)
{
    const grugen_outer_cut cut = grugen_cut_outer(count, left_units, right_units, ones);
    return cut.slices > 1 || cut.turned ? cut.slices * cut.narrow * cut.stride : 0;
}

// One operand: matrices side by side, so that their columns count on.
typedef struct grugen_outer_side {
    const grugen_outer *matrices; // of which `left` is meant, whichever side it is
    int64_t number;
} grugen_outer_side;

// A block of rows: `depth` of them, `first` in its slice. `which` has the lists of them, and
// GRUGEN_OUTER_AHEAD more that are fetched for nothing; `packed` is their numbers where they are
// packed.
typedef struct grugen_outer_rows {
    int64_t depth;
    int first;
    const int64_t *which[2], *packed;
} grugen_outer_rows;

// Columns of some rows: row k of them starts at from + rows[k] * stride. They lie where they were
// packed, or where they are.
typedef struct grugen_outer_panel {
    const GRUGEN_REAL *from;
    int64_t stride;
    const int64_t *rows; // and GRUGEN_OUTER_AHEAD more
} grugen_outer_panel;

// Where `width` columns from `column` on are; `from` is NULL if they cross the border of two
// matrices, or go past the last one.
static inline grugen_outer_panel grugen_outer_find(
    const grugen_outer_rows *block, grugen_outer_side operand, int64_t column, int64_t width)
{
    const grugen_outer *found = operand.matrices, *const end = found + operand.number;
    while (found < end && column >= found->units) { column -= (found++)->units; }
    if (found == end || column + width > found->units) {
        return (grugen_outer_panel){NULL, 0, NULL};
    }
    return (grugen_outer_panel){
        found->left + column, found->left_stride, block->which[found->list]};
}

// `width` columns of `count` rows from `from_row` on, into a panel.
static inline __attribute__((always_inline)) void grugen_outer_copy(
    const grugen_outer_panel columns, int64_t from_row, int64_t count, const int width,
    GRUGEN_REAL *panel, int64_t stride)
{
    const int64_t *const rows = columns.rows + from_row;
    for (int64_t k = 0; k < count; ++k) {
        __builtin_prefetch(columns.from + rows[k + GRUGEN_OUTER_COPIED] * columns.stride);
        memcpy(panel + k * stride, columns.from + rows[k] * columns.stride,
               (size_t)width * sizeof(GRUGEN_REAL));
    }
}

// The same where it is several matrices' columns, from `column` on: one matrix after the other, and
// zeros past the last one.
static __attribute__((noinline, unused)) void grugen_outer_copy_across(
    const grugen_outer_rows *block, int64_t from_row, int64_t count, grugen_outer_side operand,
    int64_t column, int64_t width, GRUGEN_REAL *panel, int64_t stride)
{
    const grugen_outer *found = operand.matrices, *const end = found + operand.number;
    for (int64_t j = 0; j < width;) {
        while (found < end && column >= found->units) { column -= (found++)->units; }
        const int64_t there = found < end ? found->units - column : width;
        const int lanes = grugen_lanes(there < width - j ? there : width - j);
        for (int64_t k = 0; k < count; ++k) {
            grugen_vector some = {0};
            if (found < end) {
                const int64_t row = block->which[found->list][from_row + k];
                some = grugen_load_v(found->left + row * found->left_stride + column, lanes);
            }
            grugen_store_v(panel + k * stride + j, some, lanes);
        }
        j += lanes;
        column += lanes;
    }
}

// sums[r][j] = sum over k of narrow[k][r] * wide[k][j]; `units` and `vectors` are constants
// wherever this is inlined.
static inline __attribute__((always_inline)) void grugen_outer_multiply(
    const GRUGEN_REAL *narrow, const grugen_outer_panel wide, int64_t depth, const int units,
    const int vectors, GRUGEN_REAL (*sums)[GRUGEN_PANEL])
{
    grugen_vector acc[GRUGEN_ROWS][GRUGEN_VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < units; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) { acc[r][v] = (grugen_vector){0}; }
    }
    for (int64_t k = 0; k < depth; ++k) {
        const grugen_stored_vector *const column =
            (const grugen_stored_vector *)(wide.from + wide.rows[k] * wide.stride);
        const GRUGEN_REAL *const ahead =
            wide.from + wide.rows[k + GRUGEN_OUTER_AHEAD] * wide.stride;
        const GRUGEN_REAL *const elements = narrow + k * GRUGEN_ROWS;
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) { __builtin_prefetch(ahead + v * GRUGEN_LANES); }
#pragma GCC unroll 8
        for (int r = 0; r < units; ++r) {
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v) { acc[r][v] += elements[r] * column[v]; }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < units; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) {
            *(grugen_stored_vector *)(sums[r] + v * GRUGEN_LANES) = acc[r][v];
        }
    }
}

#define GRUGEN_OUTER_CASE(units, vectors) \
    case (vectors) * 16 + (units): \
        grugen_outer_multiply(narrow, wide, depth, units, vectors, sums); \
        break;
#if GRUGEN_ROWS == 8
#define GRUGEN_OUTER_CASES(vectors) \
    GRUGEN_OUTER_CASE(1, vectors) \
    GRUGEN_OUTER_CASE(2, vectors) \
    GRUGEN_OUTER_CASE(3, vectors) \
    GRUGEN_OUTER_CASE(4, vectors) \
    GRUGEN_OUTER_CASE(5, vectors) \
    GRUGEN_OUTER_CASE(6, vectors) \
    GRUGEN_OUTER_CASE(7, vectors) \
    GRUGEN_OUTER_CASE(8, vectors)
#elif GRUGEN_ROWS == 6
#define GRUGEN_OUTER_CASES(vectors) \
    GRUGEN_OUTER_CASE(1, vectors) \
    GRUGEN_OUTER_CASE(2, vectors) \
    GRUGEN_OUTER_CASE(3, vectors) \
    GRUGEN_OUTER_CASE(4, vectors) \
    GRUGEN_OUTER_CASE(5, vectors) \
    GRUGEN_OUTER_CASE(6, vectors)
#else
#define GRUGEN_OUTER_CASES(vectors) \
    GRUGEN_OUTER_CASE(1, vectors) \
    GRUGEN_OUTER_CASE(2, vectors) \
    GRUGEN_OUTER_CASE(3, vectors) \
    GRUGEN_OUTER_CASE(4, vectors)
#endif

static __attribute__((noinline, unused)) void grugen_outer_tile(
    const GRUGEN_REAL *narrow, const grugen_outer_panel wide, int64_t depth, int units, int vectors,
    GRUGEN_REAL (*sums)[GRUGEN_PANEL])
{
    switch (vectors * 16 + units) {
        GRUGEN_OUTER_CASES(1)
        GRUGEN_OUTER_CASES(2)
#if GRUGEN_VECTORS > 2
        GRUGEN_OUTER_CASES(3)
#endif
#if GRUGEN_VECTORS > 3
        GRUGEN_OUTER_CASES(4)
#endif
    default: break;
    }
}
