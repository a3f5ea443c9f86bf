// Walks stages of every number of rows, units and sums, for teams of several sizes; what the tiles
// hand out is compared with the plain sums of whole numbers, which are exact in any order. The
// register tiles stand above; run by test_stage_tiles.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "grugen_memory.h"
#include "grugen_product.h"

enum { MOST_ROWS = 30, MOST_UNITS = 70, SHALLOW = 7, MOST_DEPTH = 300, MOST_TEAM = 5 };

static unsigned state = 1;

static GRUGEN_REAL some_number(void)
{
    state = state * 1664525u + 1013904223u;
    return (GRUGEN_REAL)(int)(state >> 24) - 128;
}

// Memory of exactly this size: a sanitizer finds what lies one element behind it.
static GRUGEN_REAL *memory(int64_t count)
{
    GRUGEN_REAL *found = NULL;
    if (posix_memalign((void **)&found, 64, (size_t)count * sizeof(GRUGEN_REAL))) { abort(); }
    for (int64_t i = 0; i < count; ++i) { found[i] = (GRUGEN_REAL)NAN; }
    return found;
}

static GRUGEN_REAL *numbers(int64_t count)
{
    GRUGEN_REAL *found = memory(count);
    for (int64_t i = 0; i < count; ++i) { found[i] = some_number(); }
    return found;
}

// All `wide` sums of one vector, and the last `more` of them going on with a second one.
static inline __attribute__((always_inline)) void
stage_of(
    int64_t rows, int64_t units, const int wide, const int more, int64_t size, int64_t first_depth,
    int64_t second_depth)
{
    const int64_t depth[2] = {first_depth, second_depth};
    const int count[2] = {wide, more};
    GRUGEN_REAL *vectors[2], *matrices[2], *panels[2];
    const GRUGEN_REAL **operands[2];
    grugen_wanted *const wanted = malloc((size_t)grugen_wanted_bytes(MOST_DEPTH));
    grugen_clear_wanted(wanted, MOST_DEPTH);
    for (int i = 0; i < 2; ++i) {
        vectors[i] = numbers(rows * depth[i]);
        matrices[i] = numbers(wide * units * depth[i]);
        panels[i] = memory(grugen_panel_size(depth[i], wide, count[i], units));
        operands[i] = malloc((size_t)rows * sizeof(GRUGEN_REAL *));
        for (int64_t r = 0; r < rows; ++r) { operands[i][r] = vectors[i] + r * depth[i]; }
        for (int64_t member = 0; member < size; ++member) {
            const grugen_team team = {member, size, NULL};
            for (int a = 0; a < count[i]; ++a) {
                // one is packed as it is, the other transposed, and each in two parts
                const GRUGEN_REAL *const matrix = matrices[i] + a * units * depth[i];
                const int64_t apart = i ? 1 : depth[i], deeper = i ? units : 1;
                const int64_t half = depth[i] / 2, rest = depth[i] - half;
                grugen_pack(&team, panels[i], depth[i], 0, half, a, count[i], wide, matrix, units,
                            apart, deeper);
                grugen_pack(&team, panels[i], depth[i], half, rest, a, count[i], wide,
                            matrix + half * deeper, units, apart, deeper);
            }
        }
    }
    int *const covered = calloc((size_t)(rows * units), sizeof(int));
    for (int64_t member = 0; member < size; ++member) {
        const grugen_team team = {member, size, NULL};
        for (grugen_tile at = grugen_first_tile(units, rows, wide, &team); at.unit < at.stop;
             grugen_next_tile(&at)) {
            grugen_vector sums[GRUGEN_SUMS(wide)];
            memset(sums, 0xff, sizeof(sums));
            grugen_multiply(&at, wanted, panels[0], depth[0], operands[0], 0, wide, wide, 0, sums);
            grugen_multiply(&at, wanted, panels[1], depth[1], operands[1], wide - more, more, wide,
                            1, sums);
            const grugen_vector *sum = sums;
            for (int64_t j = at.unit; j < at.unit_end; j += GRUGEN_LANES) {
                const int lanes = grugen_lanes(units - j);
                for (int64_t r = at.row; r < at.row_end; ++r, sum += wide) {
                    for (int lane = 0; lane < lanes; ++lane) {
                        covered[r * units + j + lane] += 1;
                        for (int a = 0; a < wide; ++a) {
                            const int64_t u = j + lane;
                            GRUGEN_REAL expected = 0;
                            for (int64_t k = 0; k < depth[0]; ++k) {
                                expected += vectors[0][r * depth[0] + k]
                                            * matrices[0][(a * units + u) * depth[0] + k];
                            }
                            const int b = a - (wide - more);
                            for (int64_t k = 0; b >= 0 && k < depth[1]; ++k) {
                                expected += vectors[1][r * depth[1] + k]
                                            * matrices[1][(b * depth[1] + k) * units + u];
                            }
                            if (!(sum[a][lane] == expected)) {
                                printf("rows %d units %d wide %d team %d: row %d unit %d sum %d\n",
                                       (int)rows, (int)units, wide, (int)size, (int)r, (int)u, a);
                                exit(1);
                            }
                        }
                    }
                }
            }
        }
    }
    for (int64_t i = 0; i < rows * units; ++i) {
        if (covered[i] != 1) {
            printf("rows %d units %d wide %d team %d: covered %d times\n", (int)rows, (int)units,
                   wide, (int)size, covered[i]);
            exit(1);
        }
    }
    free(covered);
    free(wanted);
    for (int i = 0; i < 2; ++i) {
        free(vectors[i]);
        free(matrices[i]);
        free(panels[i]);
        free(operands[i]);
    }
}

static inline __attribute__((always_inline)) void
stage(int64_t rows, int64_t units, const int wide, const int more, int64_t size)
{
    stage_of(rows, units, wide, more, size, 1 + (rows + units) % SHALLOW, 1 + units % SHALLOW);
}

int main(void)
{
    for (int64_t rows = 1; rows <= MOST_ROWS; ++rows) {
        for (int64_t units = 1; units <= MOST_UNITS; ++units) {
            const int64_t size = 1 + (rows * 7 + units * 3) % MOST_TEAM;
            stage(rows, units, 1, 1, size);
            stage(rows, units, 2, 1, size);
            stage(rows, units, 3, 2, size);
            stage(rows, units, 4, 4, size);
            stage(rows, units, 5, 2, size);
            stage(rows, units, 6, 5, size);
            stage(rows, units, 7, 4, size);
            stage(rows, units, 8, 3, size);
            stage(rows, units, 9, 8, size);
        }
    }
    // every unit is covered once by teams of any size
    for (int64_t size = 1; size <= MOST_TEAM; ++size) {
        for (int64_t units = 1; units <= 2 * MOST_UNITS; ++units) {
            stage(1, units, 1, 1, size);
            stage(2, units, 3, 1, size);
            stage(5, units, 7, 3, size);
        }
    }
    // a few units behind the last whole vector of them are dot products of deep vectors
    for (int64_t rows = 1; rows <= MOST_ROWS; ++rows) {
        for (int64_t units = 1; units <= MOST_UNITS; ++units) {
            stage_of(rows, units, 1, 1, 1 + units % 2, 40 + 37 * rows % 260, 40 + 53 * units % 260);
        }
    }
    puts("clean");
    return 0;
}
