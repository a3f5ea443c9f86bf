// Products with packed matrices that stay in registers: nobody reads them again from step to step.
#pragma once

#include <stdint.h>

#include "grugen_panel.cuh"
#include "grugen_product.cuh"
#include "grugen_tiling.cuh"

// A lane's share of a panel in its registers, converted: at most FOURS fours of the depth. For loops
// in which all tiles of a warp have the same units.
template <int MATRICES, int FOURS>
struct grugen_held {
    grugen_four weight[FOURS][MATRICES];
};

// Whether a panel can be held so in blocks that share the units of its stage, with `row_tiles` tiles
// of rows; `first_depth` is that of the stage's first panel, by which lanes share the depth. A block
// with fewer units than the others has no more tiles, and as many lanes for each, or more.
static inline bool grugen_can_hold(
    int64_t units,
    int64_t first_depth,
    int64_t depth,
    int64_t parts,
    int64_t row_tiles,
    int held)
{
    const int warps = GRUGEN_THREADS / GRUGEN_WARP;
    const int most = grugen_most_units(units, parts);
    const int split = grugen_split(most, (int)row_tiles, warps, (int)first_depth, held);
    return grugen_groups(most, split) <= warps && grugen_fours(depth) <= (int64_t)held * split;
}

template <int MATRICES, int FOURS>
__device__ __forceinline__ void grugen_hold(
    const grugen_tile &at,
    const grugen_panel &panel,
    int depth,
    grugen_held<MATRICES, FOURS> *held)
{
    const int unit = (at.unit < at.last ? at.unit : at.last - 1) - panel.first;
    const int fours = (int)grugen_fours(depth);
#pragma unroll
    for (int i = 0; i < FOURS; ++i) {
        const int four = at.part + i * at.split;
#pragma unroll
        for (int m = 0; m < MATRICES; ++m) {
            held->weight[i][m] = at.more() && four < fours
                ? grugen_reals_of(grugen_read(panel.fours + four * panel.line + m * panel.units + unit))
                : grugen_four{};
        }
    }
}

// As above, with matrices in registers. What is asked for of the operands is there before it is
// multiplied: SIDE fours of each row at a time.
template <
    int FIRST, int MATRICES, grugen_layout LAYOUT, int FOURS, class Element, int ROWS, int SUMS>
__device__ __forceinline__ void grugen_multiply(
    const grugen_tile &at,
    const grugen_held<MATRICES, FOURS> &held,
    int depth,
    const Element *const (&operand)[ROWS],
    GRUGEN_REAL (&sums)[ROWS][SUMS])
{
    // so that registers are left for what else a step needs
    constexpr int SIDE = ROWS > 2 || sizeof(GRUGEN_REAL) > 4 ? 2 : 4;
    static_assert(FOURS % SIDE == 0);
    const int fours = (int)grugen_fours(depth);
#pragma unroll
    for (int begin = 0; begin < FOURS; begin += SIDE) {
        // the same for all lanes; what is held is never less than some fours deep
        if (begin > 0 && begin * at.split >= fours) { break; }
        grugen_four_of<Element> x[SIDE][ROWS];
        if (LAYOUT >= GRUGEN_NEAR && (begin + SIDE) * at.split <= fours) {
            // all there is to ask for is there
#pragma unroll
            for (int i = 0; i < SIDE; ++i) {
                const int four = at.part + (begin + i) * at.split;
#pragma unroll
                for (int row = 0; row < ROWS; ++row) {
                    x[i][row] = grugen_load_four<LAYOUT>(operand[row], four);
                }
            }
        } else {
#pragma unroll
            for (int i = 0; i < SIDE; ++i) {
                const int four = at.part + (begin + i) * at.split;
#pragma unroll
                for (int row = 0; row < ROWS; ++row) {
                    x[i][row] = grugen_four_of<Element>{};
                    // a row that is alone exists
                    const bool is_there =
                        LAYOUT >= GRUGEN_NEAR || ROWS == 1 || operand[row] != nullptr;
                    if (!is_there || four >= fours) { continue; }
                    x[i][row] = LAYOUT != GRUGEN_LOOSE || 4 * four + 4 <= depth
                        ? grugen_load_four<LAYOUT>(operand[row], four)
                        : grugen_load_rest(operand[row], four, depth);
                }
            }
        }
#pragma unroll
        for (int i = 0; i < SIDE; ++i) {
#pragma unroll
            for (int row = 0; row < ROWS; ++row) {
#pragma unroll
                for (int m = 0; m < MATRICES; ++m) {
#pragma unroll
                    for (int e = 0; e < 4; ++e) {
                        sums[row][FIRST + m] +=
                            held.weight[begin + i][m].of[e] * grugen_real_of(x[i][row].of[e]);
                    }
                }
            }
        }
    }
}
