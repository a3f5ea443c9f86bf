// How batches are cut into tiles, and which lines the next step of a tile wants: walked for many
// sizes. The register tiles stand above; run by test_tile_lists.
#include <stdio.h>
#include <stdlib.h>

#include "grugen_memory.h"
#include "grugen_tiling.h"
#include "grugen_wanted.h"

enum { MOST_BATCH = 300, MOST_THREADS = 9, ROWS = 5, MOST_WIDTH = 150, DEPTH = 7 };

static int wrong = 0;

static void check(int holds, const char *what, int64_t a, int64_t b)
{
    if (holds) { return; }
    wrong = 1;
    printf("%s: %lld, %lld\n", what, (long long)a, (long long)b);
}

// Tiles hold every sequence; they are equally long where a thread's share is a multiple of 16.
static void cut(int64_t batch, int32_t threads)
{
    const grugen_tiling tiling = grugen_cut(50, batch, threads, 1024, 1024, 1);
    const int64_t held = tiling.tiles * tiling.sequences;
    check(held >= batch && held - batch < tiling.sequences, "a tile too many", batch, threads);
    check(tiling.sequences <= GRUGEN_TILE_SEQUENCES, "a long tile", batch, threads);
    if (batch % (16 * threads) == 0) {
        check(held == batch && tiling.tiles % threads == 0, "tiles differ", batch, threads);
    }
}

// The lines of all rows are listed in their order, and nothing is written behind the memory.
static void want(int64_t width, int64_t stride)
{
    static GRUGEN_REAL array[(ROWS + 2) * 2 * MOST_WIDTH];
    const int64_t row[] = {3, 0, 4, 1, 2}, bytes = width * (int64_t)sizeof(GRUGEN_REAL);
    const int64_t most = grugen_most_wanted(ROWS, 2 * width, 2, DEPTH);
    char *const memory = malloc((size_t)grugen_wanted_bytes(most));
    grugen_wanted *const wanted = (grugen_wanted *)memory;
    grugen_clear_wanted(wanted, most);
    grugen_want_anew(wanted);
    grugen_want(wanted, array, stride, width, row, 0, ROWS);
    grugen_want(wanted, array + MOST_WIDTH, stride, width, row, 1, ROWS);
    int64_t count = 0;
    for (int64_t q = 0; q < 2 * ROWS - 1; ++q) {
        const GRUGEN_REAL *const from =
            q < ROWS ? array + row[q] * stride : array + MOST_WIDTH + row[q - ROWS + 1] * stride;
        for (int64_t i = 0; i < bytes; i += 64, ++count) {
            check(wanted->line[count] == (const char *)from + i, "another line", width, count);
        }
    }
    check(wanted->count == count, "lines", wanted->count, count);
    while (wanted->next < wanted->count) { grugen_wanted_now(wanted, DEPTH); }
    const char *const *const none = grugen_wanted_now(wanted, DEPTH);
    for (int64_t i = 0; i < DEPTH; ++i) {
        check(none[i] == memory, "a line when none is wanted", width, i);
    }
    free(memory);
}

int main(void)
{
    for (int64_t batch = 1; batch < MOST_BATCH; ++batch) {
        for (int32_t threads = 1; threads < MOST_THREADS; ++threads) { cut(batch, threads); }
    }
    for (int64_t width = 1; width < MOST_WIDTH; ++width) { want(width, 2 * MOST_WIDTH); }
    puts(wrong ? "wrong" : "clean");
    return wrong;
}
