// Products with packed matrices that stay in registers: nobody reads them again from step to step.
#pragma once

#include <stdint.h>
#include <type_traits>

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

// The bits of a register are known when it has been filled.
__device__ inline unsigned grugen_bits(float x) { return __float_as_uint(x); }
__device__ inline unsigned grugen_bits(double x)
{
    const unsigned long long bits = (unsigned long long)__double_as_longlong(x);
    return (unsigned)bits | (unsigned)(bits >> 32);
}

template <int MATRICES, int FOURS>
__device__ __forceinline__ unsigned grugen_bits(const grugen_held<MATRICES, FOURS> &held)
{
    unsigned bits = 0;
#pragma unroll
    for (int i = 0; i < FOURS; ++i) {
#pragma unroll
        for (int m = 0; m < MATRICES; ++m) {
#pragma unroll
            for (int e = 0; e < 4; ++e) { bits |= grugen_bits(held.weight[i][m].of[e]); }
        }
    }
    return bits;
}

// Wait until all that is held has come. A processor counts what a warp has asked for in six groups,
// and the warp can only wait for all of a group. For what is still on its way where a loop begins the
// compiler has it wait in every step, where it is used first: for what the step itself has just asked
// for as well, if that is counted in the same group.
__device__ __forceinline__ void grugen_await(unsigned bits)
{
    // what a barrier is handed must be known; it is about time alone, so no test can show it is needed
    (void)__syncthreads_or((int)bits);
}

// `work` with a constant for how often `number` is `unit`, if that is FIRST, or FIRST doubled some
// times, up to LAST; `otherwise` if it is not.
template <int FIRST, int LAST, class Work, class Otherwise>
__device__ __forceinline__ void
grugen_with_multiple(int number, int unit, const Work &work, const Otherwise &otherwise)
{
    if (number == FIRST * unit) {
        work(std::integral_constant<int, FIRST>());
    } else if constexpr (2 * FIRST <= LAST) {
        grugen_with_multiple<2 * FIRST, LAST>(number, unit, work, otherwise);
    } else {
        otherwise();
    }
}

// One four of every row, multiplied with what is held for it; in PAIRS a sum takes six operations in
// the place of four, but none of them waits for three others.
template <int FIRST, bool PAIRS, int MATRICES, class Element, int ROWS, int SUMS>
__device__ __forceinline__ void grugen_add_products(
    const grugen_four (&weight)[MATRICES],
    const grugen_four_of<Element> (&x)[ROWS],
    GRUGEN_REAL (&sums)[ROWS][SUMS])
{
#pragma unroll
    for (int row = 0; row < ROWS; ++row) {
#pragma unroll
        for (int m = 0; m < MATRICES; ++m) {
            GRUGEN_REAL &sum = sums[row][FIRST + m];
            const auto product = [&](int e) {
                return weight[m].of[e] * grugen_real_of(x[row].of[e]);
            };
            if constexpr (PAIRS) {
                sum += (product(0) + product(1)) + (product(2) + product(3));
            } else {
#pragma unroll
                for (int e = 0; e < 4; ++e) { sum += product(e); }
            }
        }
    }
}

// The products of lanes that have SHARE fours each: no branch stands between what is asked for and
// what is multiplied, so that the next four of every row is on its way meanwhile.
template <
    int FIRST, int SHARE, grugen_layout LAYOUT, int MATRICES, int FOURS, class Element, int ROWS,
    int SUMS>
__device__ __forceinline__ void grugen_multiply_share(
    const grugen_tile &at,
    const grugen_held<MATRICES, FOURS> &held,
    const Element *const (&operand)[ROWS],
    GRUGEN_REAL (&sums)[ROWS][SUMS])
{
    grugen_four_of<Element> x[2][ROWS];
#pragma unroll
    for (int row = 0; row < ROWS; ++row) {
        x[0][row] = grugen_load_four<LAYOUT>(operand[row], at.part);
    }
#pragma unroll
    for (int i = 0; i < SHARE; ++i) {
#pragma unroll
        for (int row = 0; row < ROWS && i + 1 < SHARE; ++row) {
            const int four = at.part + (i + 1) * at.split;
            x[(i + 1) % 2][row] = grugen_load_four<LAYOUT>(operand[row], four);
        }
        grugen_add_products<FIRST, false>(held.weight[i], x[i % 2], sums);
    }
}

// The same for any share. What is asked for of the operands is there before it is multiplied: SIDE
// fours of each row at a time.
template <
    int FIRST, grugen_layout LAYOUT, int MATRICES, int FOURS, class Element, int ROWS, int SUMS>
__device__ __forceinline__ void grugen_multiply_some(
    const grugen_tile &at,
    const grugen_held<MATRICES, FOURS> &held,
    int depth,
    const Element *const (&operand)[ROWS],
    GRUGEN_REAL (&sums)[ROWS][SUMS])
{
    // so that registers are left for what else a step needs
    constexpr int SIDE = ROWS > 2 || sizeof(GRUGEN_REAL) > 4 ? 2 : 4;
    static_assert(FOURS % SIDE == 0);
    // with few sums lanes wait for each of them; those of a block alone, which hold four fours, have
    // been found to wait less than pairs take
    constexpr bool PAIRS = ROWS * MATRICES <= 2 && FOURS > 4;
    // the steps of a single row are too short for 64 bits
    const int fours = ROWS == 1 ? (depth + 3) / 4 : (int)grugen_fours(depth);
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
            grugen_add_products<FIRST, PAIRS>(held.weight[begin + i], x[i], sums);
        }
    }
}

// Add the products of matrices that are held with each row's vector to sums FIRST.. of the row.
template <
    int FIRST, int MATRICES, grugen_layout LAYOUT, int FOURS, class Element, int ROWS, int SUMS>
__device__ __forceinline__ void grugen_multiply(
    const grugen_tile &at,
    const grugen_held<MATRICES, FOURS> &held,
    int depth,
    const Element *const (&operand)[ROWS],
    GRUGEN_REAL (&sums)[ROWS][SUMS])
{
    // with fewer rows four fours are asked for at once anyway; longer elements need more registers
    if constexpr (LAYOUT >= GRUGEN_NEAR && ROWS > 2 && sizeof(GRUGEN_REAL) == 4) {
        grugen_with_multiple<2, FOURS>(
            (int)grugen_fours(depth), at.split,
            [&](auto share) {
                grugen_multiply_share<FIRST, decltype(share)::value, LAYOUT>(at, held, operand, sums);
            },
            [&] { grugen_multiply_some<FIRST, LAYOUT>(at, held, depth, operand, sums); });
    } else {
        grugen_multiply_some<FIRST, LAYOUT>(at, held, depth, operand, sums);
    }
}
