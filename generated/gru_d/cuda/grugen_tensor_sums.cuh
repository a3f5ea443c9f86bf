// The sums of a tile in the registers of its warps, as tensor cores form them; and how they do from
// TF32, numbers of float's range with 11 bits.
#pragma once

#include "grugen_shape.cuh"
#include "grugen_sums.cuh"

// A number of 11 bits next to x: off by 2^-11 of x at most. What is too large to be multiplied by 8193
// becomes NaN, and so do infinities. The instruction that converts takes a fifth longer for a whole
// product: it becomes a comparison, an addition that depends on it, and a move.
__device__ __forceinline__ float grugen_round_tf32(float x)
{
    // both terms are multiples of the last bit to be kept, and so is the difference
    return fmaf(x, -8192.0f, x * 8193.0f);
}

// Sums of 16 rows and 8 units over a depth of 8, added to those before; each lane has some of each
// matrix. A tensor core looks at the upper 11 bits of a factor, and cuts off what sums have no bits for.
__device__ __forceinline__ void grugen_multiply_tf32(
    float (&sums)[4],
    const unsigned (&left)[4],
    const unsigned (&right)[2],
    const float (&before)[4])
{
#ifdef GRUGEN_EMULATOR
    emulator::multiply_tf32(sums, left, right, before);
#else
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
                 : "=f"(sums[0]), "=f"(sums[1]), "=f"(sums[2]), "=f"(sums[3])
                 : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right[0]),
                   "r"(right[1]), "f"(before[0]), "f"(before[1]), "f"(before[2]),
                   "f"(before[3]));
#endif
}

// The same over a depth of 16, from pairs of bfloat16; the first of two is the lower half.
__device__ __forceinline__ void grugen_multiply_bfloat16(
    float (&sums)[4], const unsigned (&left)[4], const unsigned (&right)[2])
{
#ifdef GRUGEN_EMULATOR
    emulator::multiply_bfloat16(sums, left, right, sums);
#else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right[0]), "r"(right[1]));
#endif
}

// Factors of a lane as tensor cores take them.
template <grugen_arithmetic ARITHMETIC, int COUNT>
struct grugen_factors;

// Each rounded.
template <int COUNT>
struct grugen_factors<GRUGEN_TF32, COUNT> {
    unsigned of[COUNT];

    __device__ __forceinline__ void set(int i, float x)
    {
        of[i] = __float_as_uint(grugen_round_tf32(x));
    }
};

// Each as a sum of two: the second is what rounding leaves, of which the last bit is cut off.
template <int COUNT>
struct grugen_factors<GRUGEN_3XTF32, COUNT> {
    unsigned of[COUNT];
    unsigned rest[COUNT];

    __device__ __forceinline__ void set(int i, float x)
    {
        const float rounded = grugen_round_tf32(x);
        of[i] = __float_as_uint(rounded);
        rest[i] = __float_as_uint(x - rounded);
    }
};

__device__ __forceinline__ void grugen_multiply_factors(
    float (&sums)[4],
    const grugen_factors<GRUGEN_TF32, 4> &left,
    const grugen_factors<GRUGEN_TF32, 2> &right)
{
    grugen_multiply_tf32(sums, left.of, right.of, sums);
}

// Without the product of both rests, which is below the last bit of float. The others are added up on
// their own, small ones first: in a long sum, what is cut off each time becomes ten times the error.
__device__ __forceinline__ void grugen_multiply_factors(
    float (&sums)[4],
    const grugen_factors<GRUGEN_3XTF32, 4> &left,
    const grugen_factors<GRUGEN_3XTF32, 2> &right)
{
    float products[4];
    grugen_multiply_tf32(products, left.rest, right.of, {});
    grugen_multiply_tf32(products, left.of, right.rest, products);
    grugen_multiply_tf32(products, left.of, right.of, products);
#pragma unroll
    for (int i = 0; i < 4; ++i) { sums[i] += products[i]; }
}

// What the lanes of a warp have of a tile's sums: the warp has a part of the rows and of the units of
// all matrices, in pieces of 16 rows and 8 units.
template <class Shape>
struct grugen_tensor_shares {
    static constexpr int blocks = Shape::blocks;
    static constexpr int high = Shape::rows / Shape::down / 16;
    static constexpr int wide = Shape::units / Shape::across / 8;

    float of[high][Shape::sums][wide][4] = {};

    __device__ static int lane() { return (int)threadIdx.x % GRUGEN_WARP; }

    __device__ static int own_row()
    {
        return (int)threadIdx.x / GRUGEN_WARP / Shape::across * 16 * high;
    }

    __device__ static int own_unit()
    {
        return (int)threadIdx.x / GRUGEN_WARP % Shape::across * 8 * wide;
    }

    // Put the sums of the rows of a slice where every thread finds them, as the shape has it.
    __device__ __forceinline__ void put(int slice, GRUGEN_REAL *elements) const
    {
        const int unit = own_unit() + lane() % 4 * 2;
#pragma unroll
        for (int r = 0; r < 2 * high; ++r) {
            const int row = own_row() + lane() / 4 + 8 * r - slice * Shape::slice_rows;
            if (row < 0 || row >= Shape::slice_rows) { continue; }
#pragma unroll
            for (int s = 0; s < Shape::sums; ++s) {
#pragma unroll
                for (int u = 0; u < wide; ++u) {
                    const float *const pair = of[r / 2][s][u] + r % 2 * 2;
                    *reinterpret_cast<grugen_some<2> *>(
                        elements + Shape::place(s, row, unit + 8 * u)) = {{pair[0], pair[1]}};
                }
            }
        }
    }
};

// Every sum is formed in an order of the depth that is the same for all shapes.
template <grugen_arithmetic ARITHMETIC, int SUMS, int ROWS, int UNITS, int THREADS, bool IS_ALONG>
struct grugen_sums<grugen_tensor_shape<ARITHMETIC, SUMS, ROWS, UNITS, THREADS, IS_ALONG>>
    : grugen_tensor_shares<
          grugen_tensor_shape<ARITHMETIC, SUMS, ROWS, UNITS, THREADS, IS_ALONG>> {
    using Shape = grugen_tensor_shape<ARITHMETIC, SUMS, ROWS, UNITS, THREADS, IS_ALONG>;
    using Shares = grugen_tensor_shares<Shape>;
    static constexpr int steps = GRUGEN_CHUNK / 8;
    static constexpr int share = GRUGEN_CHUNK / 4; // a lane's elements of a vector

    // A quarter of a vector's chunk; three neighbours have the others. Which quarter is all the same,
    // if it is the same for both operands.
    template <int STRIDE>
    __device__ __forceinline__ static grugen_some<share> load(const GRUGEN_REAL *vectors, int vector)
    {
        const int part = Shares::lane() % 4;
        if constexpr (IS_ALONG) {
            return *reinterpret_cast<const grugen_some<share> *>(
                vectors + vector * STRIDE + share * part);
        } else {
            grugen_some<share> some;
#pragma unroll
            for (int i = 0; i < share; ++i) { some.of[i] = vectors[(4 * i + part) * STRIDE + vector]; }
            return some;
        }
    }

    // Add the products of a chunk: of MATRICES matrices, to sums FIRST...
    template <int FIRST, int MATRICES>
    __device__ __forceinline__ void add(const GRUGEN_REAL *xs, const GRUGEN_REAL *weights)
    {
        grugen_factors<ARITHMETIC, 4> left[Shares::high][steps];
        const int below_eight = Shares::lane() / 4;
#pragma unroll
        for (int r = 0; r < Shares::high; ++r) {
#pragma unroll
            for (int below = 0; below < 2; ++below) {
                const int row = Shares::own_row() + below_eight + 16 * r + 8 * below;
                const auto x = load<Shape::row_stride>(xs, row);
#pragma unroll
                for (int i = 0; i < share; ++i) { left[r][i / 2].set(i % 2 * 2 + below, x.of[i]); }
            }
        }
#pragma unroll
        for (int m = 0; m < MATRICES; ++m) {
#pragma unroll
            for (int u = 0; u < Shares::wide; ++u) {
                const int unit = m * UNITS + Shares::own_unit() + 8 * u + below_eight;
                const auto w = load<Shape::unit_stride>(weights, unit);
#pragma unroll
                for (int step = 0; step < steps; ++step) {
                    grugen_factors<ARITHMETIC, 2> right;
#pragma unroll
                    for (int i = 0; i < 2; ++i) { right.set(i, w.of[2 * step + i]); }
#pragma unroll
                    for (int r = 0; r < Shares::high; ++r) {
                        grugen_multiply_factors(this->of[r][FIRST + m][u], left[r][step], right);
                    }
                }
            }
        }
    }
};
