// Products with packed matrices: a tile of rows times vectors of units stays in registers while
// the depth runs by. Every element is a sum over the depth in its natural order, whatever the
// tile, so results do not depend on how rows are grouped.
#pragma once

#include <stdint.h>
#include <string.h>

#define GRUGEN_LANES (GRUGEN_VECTOR_BYTES / (int)sizeof(GRUGEN_REAL))
#define GRUGEN_PANEL (GRUGEN_VECTORS * GRUGEN_LANES)

// How far ahead of the element that is multiplied the panel is fetched: caches close to the core
// are ahead by themselves, what comes from a shared one is not.
enum { GRUGEN_AHEAD_BYTES = 6 * 1024 };

typedef GRUGEN_REAL grugen_vector __attribute__((
    vector_size(GRUGEN_VECTOR_BYTES), aligned(sizeof(GRUGEN_REAL)), may_alias));

// `units` rounded up to whole panels: the stride of a product's rows.
static inline int64_t grugen_padded(int64_t units)
{
    return (units + GRUGEN_PANEL - 1) / GRUGEN_PANEL * GRUGEN_PANEL;
}

// Element (k, unit) of a stack of panels: panel by panel, in a panel depth by depth.
static inline int64_t grugen_packed(int64_t depth, int64_t k, int64_t unit)
{
    return unit / GRUGEN_PANEL * GRUGEN_PANEL * depth + k * GRUGEN_PANEL + unit % GRUGEN_PANEL;
}

// Put a matrix into the panels from unit `first` on; element (unit, k) of it lies at
// unit * unit_stride + k * depth_stride.
static inline void grugen_pack(
    GRUGEN_REAL *panel, int64_t depth, int64_t first, const GRUGEN_REAL *matrix, int64_t units,
    int64_t unit_stride, int64_t depth_stride)
{
    for (int64_t unit = 0; unit < units; ++unit) {
        GRUGEN_REAL *const column = panel + grugen_packed(depth, 0, first + unit);
        const GRUGEN_REAL *const from = matrix + unit * unit_stride;
        for (int64_t k = 0; k < depth; ++k) { column[k * GRUGEN_PANEL] = from[k * depth_stride]; }
    }
}

static inline void grugen_pack_zeros(GRUGEN_REAL *panel, int64_t depth, int64_t units)
{
    for (int64_t unit = units; unit < grugen_padded(units); ++unit) {
        GRUGEN_REAL *const column = panel + grugen_packed(depth, 0, unit);
        for (int64_t k = 0; k < depth; ++k) { column[k * GRUGEN_PANEL] = 0; }
    }
}

// One register tile: `rows` is a constant wherever this is inlined.
static inline __attribute__((always_inline)) void grugen_product_tile(
    const GRUGEN_REAL *panel, int64_t depth, const GRUGEN_REAL *const *operand, const int rows,
    GRUGEN_REAL *out, int64_t stride)
{
    grugen_vector acc[GRUGEN_ROWS][GRUGEN_VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < GRUGEN_VECTORS; ++v) { acc[r][v] = (grugen_vector){0}; }
    }
    for (int64_t k = 0; k < depth; ++k) {
        const grugen_vector *const units = (const grugen_vector *)(panel + k * GRUGEN_PANEL);
#pragma GCC unroll 8
        for (int v = 0; v < GRUGEN_VECTORS; ++v) {
            __builtin_prefetch((const char *)(units + v) + GRUGEN_AHEAD_BYTES);
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
            const GRUGEN_REAL element = operand[r][k];
#pragma GCC unroll 8
            for (int v = 0; v < GRUGEN_VECTORS; ++v) { acc[r][v] += element * units[v]; }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < GRUGEN_VECTORS; ++v) {
            *(grugen_vector *)(out + r * stride + v * GRUGEN_LANES) = acc[r][v];
        }
    }
}

// out[r][unit] = sum over k of operand[r][k] * matrix(unit, k), for `rows` rows of `stride`
// elements, a whole number of panels.
static inline void grugen_product(
    const GRUGEN_REAL *panel, int64_t depth, const GRUGEN_REAL *const *operand, int64_t rows,
    GRUGEN_REAL *out, int64_t stride)
{
    for (int64_t unit = 0; unit < stride; unit += GRUGEN_PANEL) {
        const GRUGEN_REAL *const units = panel + unit * depth;
        for (int64_t r = 0; r < rows; r += GRUGEN_ROWS) {
            GRUGEN_REAL *const to = out + r * stride + unit;
            const GRUGEN_REAL *const *const from = operand + r;
            switch (rows - r) {
            case 1: grugen_product_tile(units, depth, from, 1, to, stride); break;
            case 2: grugen_product_tile(units, depth, from, 2, to, stride); break;
            case 3: grugen_product_tile(units, depth, from, 3, to, stride); break;
#if GRUGEN_ROWS > 4
            case 4: grugen_product_tile(units, depth, from, 4, to, stride); break;
            case 5: grugen_product_tile(units, depth, from, 5, to, stride); break;
#endif
#if GRUGEN_ROWS > 6
            case 6: grugen_product_tile(units, depth, from, 6, to, stride); break;
            case 7: grugen_product_tile(units, depth, from, 7, to, stride); break;
#endif
            default: grugen_product_tile(units, depth, from, GRUGEN_ROWS, to, stride); break;
            }
        }
    }
}
