// Sums over all rows of all sequences, formed when every row is there: weight gradients as blocked
// products. What a left is summed up to by itself, the gradient of a bias, is its product with one
// more column of the right that is all ones.
//
// Every element is a sum of sums over blocks of rows; the blocks follow from the sizes alone, and
// threads only choose who computes an element, so results do not depend on their number.
#pragma once

#include <stdint.h>
#include <string.h>

#include "grugen_outer.h"
#include "grugen_panel.h"

// Adds `width` elements of a tile to where they belong.
static inline void grugen_outer_add(const GRUGEN_REAL *sums, int64_t width, GRUGEN_REAL *to)
{
    int64_t j = 0;
    for (; j + GRUGEN_LANES <= width; j += GRUGEN_LANES) {
        *(grugen_stored_vector *)(to + j) += *(const grugen_stored_vector *)(sums + j);
    }
    for (; j < width; ++j) { to[j] += sums[j]; }
}

// Where the sums of a unit of the lefts go.
static inline const GRUGEN_REAL *
grugen_outer_row(const grugen_outer *outer, int64_t unit, int64_t right_units)
{
    while (unit >= outer->units) { unit -= (outer++)->units; }
    return outer->total + unit * right_units;
}

// Adds elements first..last of the sums of a unit of the lefts to where they belong; element
// number `right` is the sum of the unit by itself.
static inline void grugen_outer_add_to(
    const grugen_outer *outer, int64_t unit, const GRUGEN_REAL *sums, int64_t first, int64_t last,
    int64_t right)
{
    while (unit >= outer->units) { unit -= (outer++)->units; }
    const int64_t end = last < right ? last : right;
    if (first < end) { grugen_outer_add(sums, end - first, outer->total + unit * right + first); }
    if (last > right && outer->sum != NULL) { outer->sum[unit] += sums[right - first]; }
}

// What one thread sums up at a time. `sums` is where the sums of a slice of the rows go, or NULL
// if they are added to the totals at once.
typedef struct grugen_outer_job {
    const grugen_rows *rows;
    const grugen_outer *outers;
    const grugen_outer_cut *cut;
    grugen_outer_side narrow_side, wide_side;
    GRUGEN_REAL *narrow, *wide; // packed panels
    GRUGEN_REAL *sums;
} grugen_outer_job;

// Where `width` columns of an operand lie from `column` on, if that is as well as packed: side by
// side, and whole vectors at addresses of vectors. `from` is NULL if it is not.
static inline grugen_outer_panel
grugen_outer_in_place(
    const grugen_outer_rows *block, grugen_outer_side side, int64_t column, int64_t width)
{
    const grugen_outer *found = side.matrices, *const end = found + side.number;
    while (found < end && column >= found->units) { column -= (found++)->units; }
    grugen_outer_panel panel = {NULL, 0, NULL};
    if (found == end) { return panel; }
    const GRUGEN_REAL *const from = found->left + column;
    const int64_t stride = found->left_stride;
    panel.rows = block->which[found->list];
    const int aligned = (uintptr_t)from % GRUGEN_VECTOR_BYTES == 0 && stride % GRUGEN_LANES == 0;
    if (!aligned || stride >= GRUGEN_OUTER_APART) { return panel; }
    for (width += column; width > found->units; ++found) {
        const GRUGEN_REAL *const next = found->left + found->units;
        if (found + 1 == end || found[1].left != next || found[1].left_stride != stride
            || found[1].list != found->list) {
            return panel;
        }
        width -= found->units;
    }
    panel.from = from;
    panel.stride = stride;
    return panel;
}

// The wide panels p0..p1 of a block, packed where that makes them better to read: a vector after the
// other, `to_pack` of them.
static inline void grugen_outer_take_wide(
    const grugen_outer_job *job, grugen_outer_rows block, int64_t p0, int64_t p1,
    grugen_outer_panel *panels)
{
    const int64_t v0 = grugen_first_vector(job->cut, p0);
    struct {
        int64_t vector; // of the operand
        int64_t width; // of its panel
        GRUGEN_REAL *to;
        grugen_outer_panel from;
    } to_pack[GRUGEN_OUTER_PANELS * GRUGEN_VECTORS];
    int64_t count = 0;
    for (int64_t p = p0; p < p1; ++p) {
        const int64_t first = grugen_first_vector(job->cut, p);
        const int64_t last = grugen_first_vector(job->cut, p + 1);
        const int64_t width = (last - first) * GRUGEN_LANES;
        grugen_outer_panel *const panel = panels + (p - p0);
        *panel = grugen_outer_in_place(&block, job->wide_side, first * GRUGEN_LANES, width);
        if (panel->from != NULL) { continue; }
        GRUGEN_REAL *const packed = job->wide + (first - v0) * GRUGEN_LANES * block.depth;
        *panel = (grugen_outer_panel){packed, width, block.packed};
        for (int64_t v = first; v < last; ++v) {
            to_pack[count].vector = v;
            to_pack[count].width = width;
            to_pack[count].to = packed + (v - first) * GRUGEN_LANES;
            to_pack[count++].from =
                grugen_outer_find(&block, job->wide_side, v * GRUGEN_LANES, GRUGEN_LANES);
        }
    }
    for (int64_t k = 0; k < block.depth && count > 0; k += GRUGEN_OUTER_COPIED) {
        const int64_t some = grugen_least(block.depth - k, GRUGEN_OUTER_COPIED);
        for (int64_t i = 0; i < count; ++i) {
            const int64_t width = to_pack[i].width;
            GRUGEN_REAL *const to = to_pack[i].to + k * width;
            if (to_pack[i].from.from != NULL) {
                grugen_outer_copy(to_pack[i].from, k, some, GRUGEN_LANES, to, width);
            } else {
                grugen_outer_copy_across(&block, k, some, job->wide_side,
                                         to_pack[i].vector * GRUGEN_LANES, GRUGEN_LANES, to, width);
            }
        }
    }
}

static inline void grugen_outer_pack_narrow(
    const grugen_outer_job *job, grugen_outer_rows block, int64_t t0, int64_t t1)
{
    int64_t unit[GRUGEN_OUTER_TILES];
    grugen_outer_panel from[GRUGEN_OUTER_TILES];
    for (int64_t t = t0; t < t1; ++t) {
        unit[t - t0] = grugen_first_unit(job->cut, t);
        from[t - t0] = grugen_outer_find(&block, job->narrow_side, unit[t - t0], GRUGEN_ROWS);
    }
    for (int64_t k = 0; k < block.depth; k += GRUGEN_OUTER_COPIED) {
        const int64_t some = grugen_least(block.depth - k, GRUGEN_OUTER_COPIED);
        for (int64_t i = 0; i < t1 - t0; ++i) {
            GRUGEN_REAL *const to = job->narrow + (i * block.depth + k) * GRUGEN_ROWS;
            if (from[i].from != NULL) {
                grugen_outer_copy(from[i], k, some, GRUGEN_ROWS, to, GRUGEN_ROWS);
            } else {
                grugen_outer_copy_across(&block, k, some, job->narrow_side, unit[i], GRUGEN_ROWS,
                                         to, GRUGEN_ROWS);
            }
        }
    }
}

// Multiplies packed tiles with panels.
static inline void grugen_outer_multiply_block(
    const grugen_outer_job *job, grugen_outer_rows block, int64_t t0, int64_t t1, int64_t p0,
    int64_t p1, const grugen_outer_panel *panels)
{
    const grugen_outer_cut *const cut = job->cut;
    GRUGEN_REAL tile_sums[GRUGEN_ROWS][GRUGEN_PANEL] __attribute__((aligned(64)));
    for (int64_t t = t0; t < t1; ++t) {
        const int64_t i0 = grugen_first_unit(cut, t), i1 = grugen_first_unit(cut, t + 1);
        for (int64_t p = p0; p < p1; ++p) {
            const int64_t first = grugen_first_vector(cut, p);
            const int64_t last = grugen_first_vector(cut, p + 1);
            const int64_t j0 = first * GRUGEN_LANES, j1 = last * GRUGEN_LANES;
            const int64_t end = j1 < cut->wide ? j1 : cut->wide;
            for (int64_t i = i0; i < i1; ++i) {
                // the sums are wanted when the tile is done
                const GRUGEN_REAL *const to = job->sums != NULL
                    ? job->sums + i * cut->stride : grugen_outer_row(job->outers, i, cut->right);
                for (int64_t j = j0; j < end; j += GRUGEN_LINE) { __builtin_prefetch(to + j, 1); }
            }
            grugen_outer_tile(job->narrow + (t - t0) * block.depth * GRUGEN_ROWS, panels[p - p0],
                              block.depth, (int)(i1 - i0), (int)(last - first), tile_sums);
            for (int64_t i = i0; i < i1; ++i) {
                const GRUGEN_REAL *const from = tile_sums[i - i0];
                if (job->sums == NULL) {
                    grugen_outer_add_to(job->outers, i, from, j0, end, cut->right);
                    continue;
                }
                GRUGEN_REAL *const to = job->sums + i * cut->stride + j0;
                if (block.first) {
                    memcpy(to, from, (size_t)(j1 - j0) * sizeof(GRUGEN_REAL));
                } else {
                    grugen_outer_add(from, j1 - j0, to);
                }
            }
        }
    }
}

// The rows of a slice, some tiles, some panels.
static __attribute__((noinline, unused)) void grugen_outer_segment(
    const grugen_outer_job *job, int64_t first_row, int64_t last_row, int64_t first_tile,
    int64_t last_tile, int64_t first_panel, int64_t last_panel)
{
    int64_t which[2][GRUGEN_OUTER_DEPTH + GRUGEN_OUTER_AHEAD];
    int64_t packed[GRUGEN_OUTER_DEPTH + GRUGEN_OUTER_AHEAD];
    for (int64_t k = 0; k < GRUGEN_OUTER_DEPTH + GRUGEN_OUTER_AHEAD; ++k) { packed[k] = k; }
    grugen_outer_panel taken[GRUGEN_OUTER_PANELS];
    const int64_t rows = last_row - first_row, panels = last_panel - first_panel;
    const int64_t blocks = (rows + GRUGEN_OUTER_DEPTH - 1) / GRUGEN_OUTER_DEPTH;
    const int64_t groups = (panels + GRUGEN_OUTER_PANELS - 1) / GRUGEN_OUTER_PANELS;
    for (int64_t item = 0; item < groups * blocks; ++item) {
        const int64_t group = item / blocks, number = item % blocks;
        const int64_t p0 = first_panel + grugen_part(panels, groups, group);
        const int64_t p1 = first_panel + grugen_part(panels, groups, group + 1);
        const int64_t row = first_row + grugen_part(rows, blocks, number);
        const int64_t end = first_row + grugen_part(rows, blocks, number + 1);
        const int64_t depth = end - row;
        for (int64_t k = 0; k < depth + GRUGEN_OUTER_AHEAD; ++k) {
            const int64_t there = row + k < job->rows->count ? row + k : job->rows->count - 1;
            for (int list = 0; list < 2; ++list) {
                const int64_t *const listed = job->rows->in[list];
                which[list][k] = listed == NULL ? there : listed[there];
            }
        }
        const grugen_outer_rows block = {depth, number == 0, {which[0], which[1]}, packed};
        grugen_outer_take_wide(job, block, p0, p1, taken);
        for (int64_t t0 = first_tile; t0 < last_tile; t0 += GRUGEN_OUTER_TILES) {
            const int64_t t1 =
                last_tile - t0 < GRUGEN_OUTER_TILES ? last_tile : t0 + GRUGEN_OUTER_TILES;
            grugen_outer_pack_narrow(job, block, t0, t1);
            grugen_outer_multiply_block(job, block, t0, t1, p0, p1, taken);
        }
    }
}

// Adds `count` sums of each of four lines to a total that lies the other way: in small squares, so that
// neighbours are written together.
static inline void grugen_outer_add_four(
    const GRUGEN_REAL *sums, int64_t stride, int64_t count, GRUGEN_REAL *to, int64_t apart)
{
    int64_t j = 0;
    for (; j + 4 <= count; j += 4) {
        grugen_four turned[4];
        grugen_turn_four(sums + j, stride, &turned);
        for (int line = 0; line < 4; ++line) {
            *(grugen_stored_four *)(to + (j + line) * apart) += turned[line];
        }
    }
    for (; j < count; ++j) {
        for (int64_t line = 0; line < 4; ++line) { to[j * apart + line] += sums[line * stride + j]; }
    }
}

// Adds line `i` of the sums to totals that lie the other way; the line behind the last unit of the
// right has the sums of the lefts by themselves.
static inline void grugen_outer_add_turned(
    const grugen_outer *outers, int64_t number, const grugen_outer_cut *cut,
    const GRUGEN_REAL *line, int64_t i)
{
    const int of_ones = i == cut->right;
    const int64_t apart = of_ones ? 1 : cut->right;
    for (int64_t m = 0; m < number; line += outers[m++].units) {
        GRUGEN_REAL *const to = of_ones ? outers[m].sum : outers[m].total + i;
        for (int64_t j = 0; j < outers[m].units && to != NULL; ++j) { to[j * apart] += line[j]; }
    }
}

// Adds what the slices summed up, in their order, to the totals.
static __attribute__((noinline, unused)) void grugen_outer_reduce(
    const grugen_team *team, const grugen_outer *outers, int64_t number,
    const grugen_outer_cut *cut, GRUGEN_REAL *sums)
{
    int64_t first, last;
    grugen_team_share(team, cut->narrow, &first, &last);
    for (int64_t i = first; i < last; ++i) {
        GRUGEN_REAL *const row = sums + i * cut->stride;
        for (int64_t slice = 1; slice < cut->slices; ++slice) {
            grugen_outer_add(row + slice * cut->narrow * cut->stride, cut->stride, row);
        }
        if (!cut->turned) { grugen_outer_add_to(outers, i, row, 0, cut->wide, cut->right); }
    }
    for (int64_t i = first; cut->turned && i < last;) {
        const GRUGEN_REAL *line = sums + i * cut->stride;
        if (i + 4 > last || i + 4 > cut->right) {
            grugen_outer_add_turned(outers, number, cut, line, i++);
            continue;
        }
        for (int64_t m = 0; m < number; line += outers[m++].units) {
            grugen_outer_add_four(
                line, cut->stride, outers[m].units, outers[m].total + i, cut->right);
        }
        i += 4;
    }
}

// total[i][j] += sum over k of left[rows[k]][i] * right[rows[k]][j], for each of the totals, and
// sum[i] += sum over k of left[rows[k]][i] where it is wanted; `right` is the `left` of its struct.
// Called by all members of a team: `packed` is memory of each member's own, GRUGEN_OUTER_PACKED
// elements, `shared` is the same for all, grugen_outer_shared elements for all units of the lefts
// that nobody else uses until all have met.
static __attribute__((noinline, unused)) void grugen_outer_totals(
    const grugen_team *team, const grugen_rows *rows, const grugen_outer *outers, int64_t number,
    const grugen_outer *right, GRUGEN_REAL *packed, GRUGEN_REAL *shared)
{
    const int64_t count = rows->count, right_units = right->units;
    int64_t left_units = 0, ones = 0;
    for (int64_t m = 0; m < number; ++m) {
        left_units += outers[m].units;
        ones = ones || outers[m].sum != NULL;
    }
    if (count < 1 || left_units < 1 || right_units + ones < 1) { return; }
    const grugen_outer_cut cut = grugen_cut_outer(count, left_units, right_units, ones);
    const grugen_outer others[] = {*right, {GRUGEN_GIVEN, &grugen_one, 0, 1, NULL, NULL}};
    const grugen_outer_side left_side = {outers, number}, right_side = {others, 1 + ones};
    grugen_outer_job job = {
        .rows = rows,
        .outers = outers,
        .cut = &cut,
        .narrow_side = cut.turned ? right_side : left_side,
        .wide_side = cut.turned ? left_side : right_side,
        .narrow = packed,
        .wide = packed + GRUGEN_OUTER_NARROW,
    };
    const int collects = cut.slices > 1 || cut.turned;
    const int64_t threads = team->size, thread = team->member;
    // the threads as a grid that packs as little as possible twice
    int64_t across = 1;
    for (int64_t n = 2; n <= threads && cut.slices == 1; ++n) {
        if (threads % n == 0 && n <= cut.panels
            && cut.narrow * n / threads + cut.wide / n
                   < cut.narrow * across / threads + cut.wide / across) {
            across = n;
        }
    }
    const int64_t first_panel = grugen_part(cut.panels, across, thread % across);
    const int64_t last_panel = grugen_part(cut.panels, across, thread % across + 1);
    // the tiles of all slices in one line
    const int64_t line = cut.slices * cut.tiles;
    const int64_t end = grugen_part(line, threads / across, thread / across + 1);
    for (int64_t at = grugen_part(line, threads / across, thread / across); at < end;) {
        const int64_t slice = at / cut.tiles;
        const int64_t next = end < (slice + 1) * cut.tiles ? end : (slice + 1) * cut.tiles;
        job.sums = collects ? shared + slice * cut.narrow * cut.stride : NULL;
        grugen_outer_segment(&job, grugen_part(count, cut.slices, slice),
                             grugen_part(count, cut.slices, slice + 1), at - slice * cut.tiles,
                             next - slice * cut.tiles, first_panel, last_panel);
        at = next;
    }
    if (collects) {
        grugen_gather(team);
        grugen_outer_reduce(team, outers, number, &cut, shared);
    }
}
