// The products of generated code as functions of their own; the register tiles stand above.
#include "grugen_memory.h"
#include "grugen_product.h"
#include "grugen_tiling.h"
#include "grugen_total.h"

int64_t products_packed(void) { return GRUGEN_OUTER_PACKED; }

int64_t products_outer_shared(int64_t count, int64_t left_units, int64_t right_units)
{
    return grugen_outer_shared(count, left_units, right_units);
}

int64_t products_vector_shared(int64_t count, int64_t units)
{
    return grugen_vector_shared(count, units);
}

void products_outer(
    int threads, const int64_t *rows, int64_t count, const grugen_outer *outers, int64_t number,
    const GRUGEN_REAL *right, int64_t right_stride, int64_t right_units, GRUGEN_REAL *packed,
    GRUGEN_REAL *shared)
{
#pragma omp parallel num_threads(threads) if (threads > 1)
    grugen_outer_totals(rows, count, outers, number, right, right_stride, right_units,
                        packed + omp_get_thread_num() * (int64_t)GRUGEN_OUTER_PACKED, shared);
}

void products_vectors(
    int threads, const int64_t *rows, int64_t count, const grugen_summand *summands,
    int64_t number, GRUGEN_REAL *shared)
{
#pragma omp parallel num_threads(threads) if (threads > 1)
    grugen_vector_totals(rows, count, summands, number, shared);
}

int64_t products_padded(int64_t units) { return grugen_padded(units); }

// matrix (units, depth)
void products_pack(
    GRUGEN_REAL *panel, int64_t depth, const GRUGEN_REAL *matrix, int64_t units)
{
    grugen_pack(panel, depth, 0, matrix, units, depth, 1);
    grugen_pack_zeros(panel, depth, units);
}

// out (rows, padded units) = operand (rows, depth) times the packed matrix, some rows at a time
void products_ahead(
    int threads, const GRUGEN_REAL *panel, int64_t depth, const GRUGEN_REAL *operand, int64_t rows,
    int64_t stride, GRUGEN_REAL *out)
{
    enum { SOME = 24 };
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t first, last;
        grugen_share(rows, &first, &last);
        for (int64_t r = first; r < last; r += SOME) {
            const GRUGEN_REAL *from[SOME];
            const int64_t some = last - r < SOME ? last - r : SOME;
            for (int64_t q = 0; q < some; ++q) { from[q] = operand + (r + q) * depth; }
            grugen_product(panel, depth, from, some, out + r * stride, stride);
        }
    }
}
