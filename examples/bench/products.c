// The products of generated code as functions of their own; the register tiles stand above.
#include <stdlib.h>

#include "grugen_memory.h"
#include "grugen_product.h"
#include "grugen_sum.h"
#include "grugen_tiling.h"
#include "grugen_total.h"

static grugen_team everyone(grugen_meeting *meeting)
{
    return (grugen_team){omp_get_thread_num(), omp_get_num_threads(), meeting};
}

int64_t products_packed(void) { return GRUGEN_OUTER_PACKED; }

int64_t products_outer_shared(
    int64_t count, int64_t left_units, int64_t right_units, int64_t ones)
{
    return grugen_outer_shared(count, left_units, right_units, ones);
}

int64_t products_vector_shared(int64_t count, int64_t units)
{
    return grugen_vector_shared(count, units);
}

void products_outer(
    int threads, const grugen_rows *rows, const grugen_outer *outers, int64_t number,
    const grugen_outer *right, GRUGEN_REAL *packed, GRUGEN_REAL *shared)
{
    grugen_meeting meeting = {0};
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const grugen_team team = everyone(&meeting);
        grugen_outer_totals(&team, rows, outers, number, right,
                            packed + team.member * (int64_t)GRUGEN_OUTER_PACKED, shared);
    }
}

void products_vectors(
    int threads, const grugen_rows *rows, const grugen_summand *summands, int64_t number,
    GRUGEN_REAL *shared)
{
    grugen_meeting meeting = {0};
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const grugen_team team = everyone(&meeting);
        grugen_vector_totals(&team, rows, summands, number, shared);
    }
}

void products_list_rows(
    const int64_t *lengths, int64_t T, int64_t B, int64_t sequences, grugen_rows *rows)
{
    int64_t *const counts = malloc((size_t)(T + 2) * sizeof(int64_t));
    int64_t *const order = malloc((size_t)B * sizeof(int64_t));
    grugen_sort_by_length(lengths, T, B, counts, order);
    grugen_list_rows(lengths, T, B, order, sequences, rows);
    free(counts);
    free(order);
}

int64_t products_padded(int64_t units) { return grugen_padded(units); }

int64_t products_panel(int64_t depth, int64_t units)
{
    return grugen_panel_size(depth, 1, 1, units);
}

// matrix (units, depth)
void products_pack(
    GRUGEN_REAL *panel, int64_t depth, const GRUGEN_REAL *matrix, int64_t units)
{
    const grugen_team alone = {0, 1, NULL};
    grugen_pack(&alone, panel, depth, 0, depth, 0, 1, 1, matrix, units, depth, 1);
}

// out (rows, padded units) = operand (rows, depth) times the packed matrix, as a stage with an
// epilogue that only stores, some rows at a time
void products_ahead(
    int threads, const GRUGEN_REAL *panel, int64_t depth, const GRUGEN_REAL *operand, int64_t rows,
    int64_t units, GRUGEN_REAL *out)
{
    enum { SOME = 96 };
    const grugen_team alone = {0, 1, NULL};
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t first, last;
        const grugen_team team = everyone(NULL);
        grugen_team_share(&team, rows, &first, &last);
        grugen_wanted *const wanted = malloc((size_t)grugen_wanted_bytes(depth));
        grugen_clear_wanted(wanted, depth);
        for (int64_t r = first; r < last; r += SOME) {
            const GRUGEN_REAL *from[SOME];
            const int64_t some = last - r < SOME ? last - r : SOME;
            for (int64_t q = 0; q < some; ++q) { from[q] = operand + (r + q) * depth; }
            for (grugen_tile at = grugen_first_tile(units, 0, some, 1, &alone); at.left > 0;
                 grugen_next_tile(&at)) {
                grugen_vector sums[GRUGEN_SUMS(1)];
                grugen_multiply(&at, wanted, panel, depth, from, 0, 1, 1, 0, sums);
                const grugen_vector *sum = sums;
                for (int64_t j = at.unit; j < at.unit_end; j += GRUGEN_LANES) {
                    for (int64_t q = r + at.row; q < r + at.row_end; ++q, ++sum) {
                        grugen_store_whole_v(out + q * grugen_padded(units) + j, *sum);
                    }
                }
            }
        }
        free(wanted);
    }
}
