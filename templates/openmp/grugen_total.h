// Sums over all rows of all sequences, formed when every row is there. Each element is summed by
// one thread in the order of the rows, so results do not depend on the number of threads.
#pragma once

#include <stdint.h>

#include "grugen_product.h"
#include "grugen_tiling.h"

enum { GRUGEN_TOTAL_ROWS = 128 };
#define GRUGEN_VECTORS 2
#define GRUGEN_ROWS GRUGEN_ROWS_OF(GRUGEN_VECTORS)
#define GRUGEN_PANEL (GRUGEN_VECTORS * GRUGEN_LANES)

// `units` rows of the total times one panel of its columns, over `count` rows of the operands.
static inline __attribute__((always_inline)) void grugen_total_tile(
    const int64_t *rows, int64_t count, const GRUGEN_REAL *left, int64_t left_width,
    const GRUGEN_REAL *panel, const int units, GRUGEN_REAL *total, int64_t width, int64_t columns)
{
    grugen_vector acc[GRUGEN_ROWS][GRUGEN_VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < units; ++r) {
#pragma GCC unroll 12
        for (int v = 0; v < GRUGEN_VECTORS; ++v) { acc[r][v] = (grugen_vector){0}; }
    }
    for (int64_t k = 0; k < count; ++k) {
        const GRUGEN_REAL *const elements = left + rows[k] * left_width;
        const grugen_stored_vector *const column =
            (const grugen_stored_vector *)(panel + k * GRUGEN_PANEL);
#pragma GCC unroll 12
        for (int r = 0; r < units; ++r) {
#pragma GCC unroll 12
            for (int v = 0; v < GRUGEN_VECTORS; ++v) { acc[r][v] += elements[r] * column[v]; }
        }
    }
    GRUGEN_REAL sums[GRUGEN_ROWS][GRUGEN_PANEL];
    memcpy(sums, acc, sizeof(sums));
    for (int r = 0; r < units; ++r) {
        for (int64_t j = 0; j < columns; ++j) { total[r * width + j] += sums[r][j]; }
    }
}

// total[i][j] += sum over rows of left[row][i] * right[row][j]; called by all threads together.
static inline void grugen_outer_total(
    const int64_t *rows, int64_t count, const GRUGEN_REAL *left, int64_t left_stride,
    int64_t left_width, const GRUGEN_REAL *right, int64_t right_stride, int64_t right_width,
    GRUGEN_REAL *total)
{
    GRUGEN_REAL panel[GRUGEN_TOTAL_ROWS * GRUGEN_PANEL];
    int64_t first, last;
    grugen_share((left_width + GRUGEN_ROWS - 1) / GRUGEN_ROWS, &first, &last);
    for (int64_t start = 0; start < count; start += GRUGEN_TOTAL_ROWS) {
        const int64_t some = count - start < GRUGEN_TOTAL_ROWS ? count - start : GRUGEN_TOTAL_ROWS;
        for (int64_t column = 0; column < right_width && first < last; column += GRUGEN_PANEL) {
            const int64_t rest = right_width - column;
            const int64_t columns = rest < GRUGEN_PANEL ? rest : GRUGEN_PANEL;
            for (int64_t k = 0; k < some; ++k) {
                const GRUGEN_REAL *const from = right + rows[start + k] * right_stride + column;
                GRUGEN_REAL *const to = panel + k * GRUGEN_PANEL;
                for (int64_t j = 0; j < columns; ++j) { to[j] = from[j]; }
                for (int64_t j = columns; j < GRUGEN_PANEL; ++j) { to[j] = 0; }
            }
            for (int64_t tile = first; tile < last; ++tile) {
                const int64_t i = tile * GRUGEN_ROWS;
                const int64_t *const which = rows + start;
                GRUGEN_REAL *const to = total + i * right_width + column;
                if (left_width - i >= GRUGEN_ROWS) {
                    grugen_total_tile(which, some, left + i, left_stride, panel, GRUGEN_ROWS, to,
                                      right_width, columns);
                    continue;
                }
                for (int64_t r = 0; r < left_width - i; ++r) {
                    grugen_total_tile(which, some, left + i + r, left_stride, panel, 1,
                                      to + r * right_width, right_width, columns);
                }
            }
        }
    }
}

// total[j] += sum over rows of values[row][j]; called by all threads together.
static inline void grugen_vector_total(
    const int64_t *rows, int64_t count, const GRUGEN_REAL *values, int64_t stride,
    int64_t width, GRUGEN_REAL *total)
{
    int64_t first, last;
    grugen_share(width, &first, &last);
    for (int64_t k = 0; k < count; ++k) {
        const GRUGEN_REAL *const from = values + rows[k] * stride;
        for (int64_t j = first; j < last; ++j) { total[j] += from[j]; }
    }
}
