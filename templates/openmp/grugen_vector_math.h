// Functions of vectors that take an instruction or two, and what the elementary functions share.
#pragma once

#include "grugen_vector.h"

#if GRUGEN_REAL_IS_F32
#define GRUGEN_NUMBER(f32, f64) f32##f
#define GRUGEN_FRACTION_BITS 23
#define GRUGEN_BIAS 127
#define GRUGEN_SMALLEST_NORMAL 1.17549435e-38f
#else
#define GRUGEN_NUMBER(f32, f64) f64
#define GRUGEN_FRACTION_BITS 52
#define GRUGEN_BIAS 1023
#define GRUGEN_SMALLEST_NORMAL 2.2250738585072014e-308
#endif

// Whether a product and a sum are rounded once.
#if defined(__FMA__) || defined(__AVX512F__) || defined(__aarch64__)
#define GRUGEN_FUSED 1
#else
#define GRUGEN_FUSED 0
#endif

// 1.5 * 2^23 or 1.5 * 2^52: what is added to it is rounded to a whole number, which then lies in
// the low bits of the sum.
#define GRUGEN_ROUNDER GRUGEN_NUMBER(12582912.0, 6755399441055744.0)

// min and max: ties and unordered arguments give the first. So do MINPS and MAXPS with their
// second operand, and the arguments change places.
GRUGEN_INLINE grugen_vector grugen_min_v(grugen_vector a, grugen_vector b)
{
#if GRUGEN_X86_BYTES
    return GRUGEN_X86(min)(b, a);
#else
    return grugen_select_v(b < a, b, a);
#endif
}

GRUGEN_INLINE grugen_vector grugen_max_v(grugen_vector a, grugen_vector b)
{
#if GRUGEN_X86_BYTES
    return GRUGEN_X86(max)(b, a);
#else
    return grugen_select_v(b > a, b, a);
#endif
}

GRUGEN_INLINE grugen_vector grugen_abs_v(grugen_vector a)
{
    const grugen_bits sign = (grugen_bits)grugen_spread_v(-GRUGEN_NUMBER(0.0, 0.0));
    return (grugen_vector)((grugen_bits)a & ~sign);
}

// |a| with the sign of `sign`, for a >= 0.
GRUGEN_INLINE grugen_vector grugen_signed_v(grugen_vector a, grugen_vector sign)
{
    const grugen_bits mask = (grugen_bits)grugen_spread_v(-GRUGEN_NUMBER(0.0, 0.0));
    return (grugen_vector)((grugen_bits)a | ((grugen_bits)sign & mask));
}

// 0 or 1 times 0 would do, but NaN must stay NaN and -0 become 0: 0 where a <= 0.
GRUGEN_INLINE grugen_vector grugen_relu_v(grugen_vector a)
{
#if GRUGEN_X86_BYTES
    // MAXPS gives its second operand where one is NaN, and where both are zero: a + 0 is no -0
    return GRUGEN_X86(max)(grugen_spread_v(0), a + grugen_spread_v(0));
#else
    return grugen_select_v(a <= grugen_spread_v(0), grugen_spread_v(0), a);
#endif
}

GRUGEN_INLINE grugen_vector grugen_sqrt_v(grugen_vector a)
{
#if GRUGEN_X86_BYTES
    return GRUGEN_X86(sqrt)(a);
#elif defined(__aarch64__) && GRUGEN_VECTOR_BYTES == 16 && GRUGEN_REAL_IS_F32
    return (grugen_vector)vsqrtq_f32((float32x4_t)a);
#elif defined(__aarch64__) && GRUGEN_VECTOR_BYTES == 16
    return (grugen_vector)vsqrtq_f64((float64x2_t)a);
#else
    for (int lane = 0; lane < GRUGEN_LANES; ++lane) {
#if GRUGEN_REAL_IS_F32
        a[lane] = __builtin_sqrtf(a[lane]);
#else
        a[lane] = __builtin_sqrt(a[lane]);
#endif
    }
    return a;
#endif
}

GRUGEN_INLINE grugen_vector grugen_floor_v(grugen_vector a)
{
#if GRUGEN_X86_BYTES > 16 || (GRUGEN_X86_BYTES == 16 && defined(__SSE4_1__))
    return GRUGEN_X86(floor)(a);
#elif defined(__aarch64__) && GRUGEN_VECTOR_BYTES == 16 && GRUGEN_REAL_IS_F32
    return (grugen_vector)vrndmq_f32((float32x4_t)a);
#elif defined(__aarch64__) && GRUGEN_VECTOR_BYTES == 16
    return (grugen_vector)vrndmq_f64((float64x2_t)a);
#else
    // |a| + 2^23 - 2^23 is |a| rounded to a whole number; from 2^23 on every number is whole
    const grugen_vector large = grugen_spread_v(GRUGEN_NUMBER(8388608.0, 4503599627370496.0));
    const grugen_vector size = grugen_abs_v(a);
    const grugen_vector nearest = grugen_signed_v((size + large) - large, a);
    const grugen_vector one = grugen_spread_v(1), zero = grugen_spread_v(0);
    const grugen_vector above = grugen_select_v(nearest > a, one, zero);
    // nearest - 0 keeps the sign of -0
    return grugen_select_v(size < large, nearest - above, a);
#endif
}
