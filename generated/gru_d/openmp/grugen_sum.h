// Vectors and numbers summed up over all rows of all sequences: those that are no operand of a
// blocked product. As there, the order of a sum follows from the sizes alone.
#pragma once

#include <stdint.h>

#include "grugen_outer.h"

enum {
    // Slices of the rows that vectors are summed up in, at most.
    GRUGEN_VECTOR_SLICES = 32,
};

// One of several vectors or numbers that are summed up.
typedef struct grugen_summand {
    int list; // of rows that it goes by
    const GRUGEN_REAL *values; // row r starts at values + r * stride
    int64_t stride;
    int64_t units;
    GRUGEN_REAL *total; // (units)
} grugen_summand;

// Slices of the rows that vectors are summed up in.
static inline int64_t grugen_vector_slices(int64_t count)
{
    const int64_t slices = count / GRUGEN_OUTER_DEPTH;
    return slices < 1 ? 1 : slices < GRUGEN_VECTOR_SLICES ? slices : GRUGEN_VECTOR_SLICES;
}

// Elements of the memory that all threads share, for at most `count` rows of all units together.
static inline int64_t grugen_vector_shared(int64_t count, int64_t units)
{
    return grugen_vector_slices(count) * units;
}

// sums[j] += sum over some rows of values[rows[k]][j], for some vectors of units.
static inline __attribute__((always_inline)) void grugen_vector_add(
    const int64_t *rows, int64_t first, int64_t last, const GRUGEN_REAL *values, int64_t stride,
    const int vectors, GRUGEN_REAL *sums)
{
    grugen_vector acc[4];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) { acc[v] = (grugen_vector){0}; }
    for (int64_t k = first; k < last; ++k) {
        const grugen_stored_vector *const from =
            (const grugen_stored_vector *)(values + (rows == NULL ? k : rows[k]) * stride);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) { acc[v] += from[v]; }
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) { ((grugen_stored_vector *)sums)[v] += acc[v]; }
}

// total[j] += sum over k of values[rows[k]][j], for each of the summands; called by all members
// of a team. `shared` is the same for all, grugen_vector_shared elements that nobody else uses until
// all have met.
static __attribute__((noinline, unused)) void grugen_vector_totals(
    const grugen_team *team, const grugen_rows *all, const grugen_summand *summands,
    int64_t number, GRUGEN_REAL *shared)
{
    const int64_t count = all->count;
    int64_t units = 0, first, last;
    for (int64_t m = 0; m < number; ++m) { units += summands[m].units; }
    const int64_t slices = grugen_vector_slices(count);
    grugen_team_share(team, slices, &first, &last);
    for (int64_t slice = first; slice < last; ++slice) {
        const int64_t end = grugen_part(count, slices, slice + 1);
        GRUGEN_REAL *sums = shared + slice * units;
        for (int64_t j = 0; j < units; ++j) { sums[j] = 0; }
        for (int64_t m = 0; m < number; ++m) {
            const int64_t width = summands[m].units, stride = summands[m].stride;
            const int64_t *const rows = all->in[summands[m].list];
            for (int64_t k = grugen_part(count, slices, slice); k < end;
                 k += GRUGEN_OUTER_DEPTH) {
                const int64_t k1 = end - k < GRUGEN_OUTER_DEPTH ? end : k + GRUGEN_OUTER_DEPTH;
                const GRUGEN_REAL *const from = summands[m].values;
                int64_t j = 0;
                for (; j + 4 * GRUGEN_LANES <= width; j += 4 * GRUGEN_LANES) {
                    grugen_vector_add(rows, k, k1, from + j, stride, 4, sums + j);
                }
                for (; j + GRUGEN_LANES <= width; j += GRUGEN_LANES) {
                    grugen_vector_add(rows, k, k1, from + j, stride, 1, sums + j);
                }
                for (; j < width; ++j) {
                    GRUGEN_REAL sum = 0;
                    for (int64_t i = k; i < k1; ++i) {
                        sum += from[(rows == NULL ? i : rows[i]) * stride + j];
                    }
                    sums[j] += sum;
                }
            }
            sums += width;
        }
    }
    grugen_gather(team);
    int64_t before = 0;
    for (int64_t m = 0; m < number; ++m) {
        grugen_team_share(team, summands[m].units, &first, &last);
        for (int64_t j = first; j < last; ++j) {
            GRUGEN_REAL sum = shared[before + j];
            for (int64_t slice = 1; slice < slices; ++slice) {
                sum += shared[slice * units + before + j];
            }
            summands[m].total[j] += sum;
        }
        before += summands[m].units;
    }
}
