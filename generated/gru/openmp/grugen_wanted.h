// Cache lines that the next step of a loop reads and writes. Its rows are short, and far from those
// of this step, so the machine does not foresee them; asked for all at once, they would keep all
// other loads waiting. So they are listed, and products ask for one with each step of their depth.
#pragma once

#include <stdint.h>

#include "grugen_vector.h"

// Room for `most` lines: `count` of the next step, of which `next` comes next. Behind what a step
// can want there are as many as the deepest product asks for when it has nothing to fetch.
typedef struct grugen_wanted {
    int64_t most, count, next;
    const char *line[];
} grugen_wanted;

// Addresses of lines that follow each other, written together.
typedef uintptr_t grugen_four_lines __attribute__((
    vector_size(4 * sizeof(uintptr_t)), aligned(sizeof(uintptr_t)), may_alias));

// Room for the lines of some rows of `arrays` arrays that are `width` elements wide together, where
// no product is deeper than `depth`.
static inline int64_t
grugen_most_wanted(int64_t rows, int64_t width, int64_t arrays, int64_t depth)
{
    return rows * (width * (int64_t)sizeof(GRUGEN_REAL) / 64 + arrays) + 3 + depth;
}

static inline int64_t grugen_wanted_bytes(int64_t most)
{
    return (int64_t)sizeof(grugen_wanted) + most * (int64_t)sizeof(char *);
}

static inline void grugen_clear_wanted(grugen_wanted *wanted, int64_t most)
{
    *wanted = (grugen_wanted){.most = most};
    for (int64_t i = 0; i < most; ++i) { wanted->line[i] = (const char *)wanted; }
}

// The lines that were wanted so far are there, or no longer needed.
GRUGEN_INLINE void grugen_want_anew(grugen_wanted *wanted)
{
    wanted->count = 0;
    wanted->next = 0;
}

// The rows row[first..last] of an array will be wanted. What is listed behind a row's last line gives
// way to the next row.
GRUGEN_INLINE void grugen_want(
    grugen_wanted *wanted, const GRUGEN_REAL *array, int64_t stride, int64_t width,
    const int64_t *row, int64_t first, int64_t last)
{
    const grugen_four_lines apart = {0, 64, 128, 192};
    const int64_t lines = (width * (int64_t)sizeof(GRUGEN_REAL) + 63) / 64;
    const char **line = wanted->line + wanted->count;
    for (int64_t q = first; q < last; ++q, line += lines) {
        const uintptr_t from = (uintptr_t)(array + row[q] * stride);
        for (int64_t i = 0; i < lines; i += 4) {
            *(grugen_four_lines *)(line + i) = from + (uintptr_t)(64 * i) + apart;
        }
    }
    wanted->count = line - wanted->line;
}

// The next `depth` lines to ask for; the same one over and over when all have been asked for.
GRUGEN_INLINE const char *const *grugen_wanted_now(grugen_wanted *wanted, int64_t depth)
{
    const int64_t next = wanted->next;
    wanted->next += depth;
    return wanted->line + (next < wanted->count ? next : wanted->most - depth);
}
