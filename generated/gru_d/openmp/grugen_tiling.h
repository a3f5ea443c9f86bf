// How a call is cut into tiles of sequences and blocks of steps, and which thread does what.
#pragma once

#include <omp.h>
#include <stdint.h>
#include <string.h>

#include "grugen_memory.h"

// `sequences` a tile, `steps` a time block. Threads own tiles, or are a `team` that shares the
// units of a single one. Results do not depend on it: every element is computed by itself, and
// sums over rows are formed in an order of their own.
typedef struct grugen_tiling {
    int threads;
    int team;
    int64_t sequences;
    int64_t tiles;
    int64_t steps;
} grugen_tiling;

enum {
    // waking a thread takes longer than work on so little memory
    GRUGEN_SMALL_BYTES = 32 * 1024,
    // meeting in every step takes longer than reading so few weights: about 2 microseconds' worth
    GRUGEN_TEAM_BYTES = 192 * 1024,
    // a team that meets only where a time block begins and ends needs no more than so much work
    GRUGEN_BLOCKS_BYTES = 512 * 1024,
    // sequences of a tile if each thread has a multiple of them: two whole register tiles
    GRUGEN_EVEN_SEQUENCES = 16,
    // sequences whose rows are listed step by step, before those of the next ones
    GRUGEN_LISTED = 16,
};

// Far more threads than processors only wait. The system is asked once: the size of a workspace
// depends on the answer, and must hold for every later call.
static inline int32_t grugen_useful_threads(int32_t threads)
{
    static int32_t most = 0;
    int32_t known = __atomic_load_n(&most, __ATOMIC_RELAXED);
    if (known == 0) {
        known = 8 * omp_get_num_procs();
        int32_t before = 0;
        if (!__atomic_compare_exchange_n(&most, &before, known, 0, __ATOMIC_RELAXED,
                                         __ATOMIC_RELAXED)) {
            known = before;
        }
    }
    return threads < known ? threads : known;
}

// `row_bytes` is the memory of a tile that grows with every row, `weights` that of packed weights;
// `meets` tells that a team has to meet in every step.
static inline grugen_tiling
grugen_cut(
    int64_t T, int64_t B, int32_t threads, int64_t row_bytes, int64_t weights, const int meets)
{
    grugen_tiling tiling;
    const int64_t memory = T * B * (row_bytes + weights / 8);
    if (threads < 1 || memory <= GRUGEN_SMALL_BYTES) { threads = 1; }
    if (threads > 1) { threads = grugen_useful_threads(threads); }
    // a thread's share of the batch in as few tiles as it takes, all of about one size
    const int64_t share = (B + threads - 1) / threads;
    const int64_t tiles = (share + GRUGEN_TILE_SEQUENCES - 1) / GRUGEN_TILE_SEQUENCES;
    tiling.team = 1;
    tiling.sequences = tiles < 1 ? 1 : (share + tiles - 1) / tiles;
    // with a shorter last tile threads would not finish together
    if (share % tiling.sequences != 0 && share % GRUGEN_EVEN_SEQUENCES == 0) {
        tiling.sequences = GRUGEN_EVEN_SEQUENCES;
    }
    const int worth = meets ? weights >= GRUGEN_TEAM_BYTES : memory >= GRUGEN_BLOCKS_BYTES;
    if (threads > 1 && B < threads && B > 0 && worth) {
        tiling.team = threads;
        tiling.sequences = B;
    }
    tiling.tiles = (B + tiling.sequences - 1) / tiling.sequences;
    tiling.threads = tiling.team;
    if (tiling.team == 1) {
        const int64_t busy = tiling.tiles < 1 ? 1 : tiling.tiles;
        tiling.threads = busy < threads ? (int)busy : threads;
    }
    // weights that no cache holds are read anew for each block: the more there are, the longer it is
    const int64_t block = weights / 8 > GRUGEN_BLOCK_BYTES ? weights / 8 : GRUGEN_BLOCK_BYTES;
    const int64_t steps = block / (tiling.sequences * row_bytes);
    tiling.steps = steps < 1 ? 1 : steps > T ? (T < 1 ? 1 : T) : steps;
    return tiling;
}

// Sequences in order of falling length, equal lengths in their own order: at any step those of a
// tile that still run come first. `counts` has room for T + 2 numbers.
static inline void grugen_sort_by_length(
    const int64_t *lengths, int64_t T, int64_t B, int64_t *counts, int64_t *order)
{
    memset(counts, 0, (size_t)(T + 2) * sizeof(int64_t));
    for (int64_t b = 0; b < B; ++b) { counts[T - grugen_length(lengths, T, b) + 1] += 1; }
    for (int64_t t = 0; t < T + 1; ++t) { counts[t + 1] += counts[t]; }
    for (int64_t b = 0; b < B; ++b) { order[counts[T - grugen_length(lengths, T, b)]++] = b; }
}

// Where memory of our own has step t of sequence `slot` of a tile: rows of a tile lie side by side.
// Where those of several tiles alternate, as they do in arrays of the caller, what the machine fetches
// ahead of a thread's work is what another thread has just written or is about to.
static inline int64_t
grugen_own_row(int64_t T, int64_t first, int64_t count, int64_t t, int64_t slot)
{
    return first * T + t * count + slot;
}

// Which list of rows an array goes by.
enum { GRUGEN_GIVEN, GRUGEN_OWN };

// The steps of sequences: as rows t * B + b of arrays that the caller gave, and as rows of our own
// memory. NULL means the rows 0..count.
typedef struct grugen_rows {
    int64_t *in[2];
    int64_t count;
} grugen_rows;

// All of them, for tiles of so many sequences. The order does not depend on the tiles: a group of
// sequences after the other, so that a thread's part of the list is mostly of its own tiles.
static inline void grugen_list_rows(
    const int64_t *lengths, int64_t T, int64_t B, const int64_t *order, int64_t sequences,
    grugen_rows *rows)
{
    rows->count = 0;
    for (int64_t from = 0; from < B; from += GRUGEN_LISTED) {
        const int64_t to = B - from < GRUGEN_LISTED ? B : from + GRUGEN_LISTED;
        const int64_t longest = grugen_length(lengths, T, order[from]);
        for (int64_t t = 0; t < longest; ++t) {
            int64_t first = from / sequences * sequences;
            int64_t count = B - first < sequences ? B - first : sequences;
            for (int64_t place = from; place < to; ++place) {
                if (t >= grugen_length(lengths, T, order[place])) { break; }
                if (place - first == count) {
                    first = place;
                    count = B - first < sequences ? B - first : sequences;
                }
                rows->in[GRUGEN_GIVEN][rows->count] = t * B + order[place];
                rows->in[GRUGEN_OWN][rows->count] =
                    grugen_own_row(T, first, count, t, place - first);
                rows->count += 1;
            }
        }
    }
}
