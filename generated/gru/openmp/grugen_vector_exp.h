// Exponential, logistic and hyperbolic functions of vectors: no branches, no tables, at most 2 ulp
// for normal results. Infinities and NaN give what IEEE 754 expects of the functions; what is below
// the smallest normal number may be flushed to 0.
//
// Arguments are reduced as Cody & Waite, "Software Manual for the Elementary Functions" (1980) do:
//   exp(x) = 2^n exp(r), exp(r) = 1 + r + r^2 Q(r),     |r| <= ln 2 / 2
// and the rest is built on it, ordered so that the term with the most digits is added last.
//
// This polynomial and those of logarithms and powers are minimax in the relative error of the
// function that they serve: Remez' exchange algorithm in 50 digits (Muller, "Elementary Functions",
// 2016, chapter 3), coefficients rounded to the type afterwards. They are evaluated in pairs of
// terms joined by powers of the argument (Estrin 1960), since a processor has few vectors of an
// epilogue in flight and waits for chains of dependent operations.
#pragma once

#include "grugen_vector_math.h"

// ln 2 in two parts, of which the first has so few digits that its product with a whole number is
// exact; neither is negative.
#define GRUGEN_LN2_HIGH GRUGEN_NUMBER(0.69314575, 0.6931471803691238)
#define GRUGEN_LN2_LOW GRUGEN_NUMBER(1.4286068e-06, 1.9082149292705877e-10)

// exp(k x) = 2^n (1 + k p) for k = 1, -1 or 2, which the constants take in: k x = n ln 2 + k r,
// k p = expm1(k r), |k r| <= ln 2 / 2. `scale` is 2^n |k|, for x that keep it a normal number or 0;
// `rounded` holds n in its low bits. p is r + square q, for those that add it to more.
typedef struct grugen_exponential {
    grugen_vector rounded, n, r, square, q, p, scale;
} grugen_exponential;

// `near` is set where exp(k x) counts the less the larger n is: ln 2 itself has digits enough.
GRUGEN_INLINE grugen_exponential
grugen_exponential_of(grugen_vector x, const GRUGEN_REAL k, const int near)
{
    grugen_exponential of;
    // with the bias added in, a shift makes the low bits into an exponent
    const GRUGEN_REAL rounder = GRUGEN_ROUNDER + GRUGEN_BIAS + (k > 1 ? 1 : 0);
    of.rounded = x * (k * GRUGEN_NUMBER(1.44269504, 1.4426950408889634)) + rounder;
    of.n = of.rounded - rounder;
    of.scale = (grugen_vector)((grugen_bits)of.rounded << GRUGEN_FRACTION_BITS);
    const grugen_vector r =
        near && GRUGEN_FUSED ? x - of.n * (GRUGEN_NUMBER(0.693147182, 0.6931471805599453) / k)
                             : (x - of.n * (GRUGEN_LN2_HIGH / k)) - of.n * (GRUGEN_LN2_LOW / k);
    const grugen_vector r2 = r * r;
    const GRUGEN_REAL k2 = k * k, k3 = k2 * k, k4 = k2 * k2;
#if GRUGEN_REAL_IS_F32
    const grugen_vector q01 = r * (k2 * 0.16666543f) + k * 0.49999997f;
    const grugen_vector q23 = r * (k4 * 0.0083665475f) + k3 * 0.0416672f;
    const grugen_vector q234 = r2 * (k4 * k * 0.0013882519f) + q23;
    const grugen_vector q = q234 * r2 + q01;
#else
    const GRUGEN_REAL k5 = k4 * k, k6 = k4 * k2, k7 = k4 * k3, k8 = k4 * k4;
    const grugen_vector r4 = r2 * r2;
    const grugen_vector q01 = r * (k2 * 0.16666666666666588) + k * 0.5000000000000006;
    const grugen_vector q23 = r * (k4 * 0.008333333333389727) + k3 * 0.041666666666576466;
    const grugen_vector q45 = r * (k6 * 0.00019841269718720824) + k5 * 0.0013888888931666813;
    const grugen_vector q67 = r * (k8 * 2.755740767778076e-06) + k7 * 2.480150514304721e-05;
    const grugen_vector q89 =
        r * (k8 * k2 * 2.5053778205376832e-08) + k8 * k * 2.762609269690796e-07;
    const grugen_vector q03 = q23 * r2 + q01;
    const grugen_vector q47 = q67 * r2 + q45;
    const grugen_vector q = (q89 * r4 + q47) * r4 + q03;
#endif
    of.r = r;
    of.square = r2;
    of.q = q;
    of.p = r2 * q + r;
    return of;
}

// 2^n m for any n that a clamped argument leaves.
GRUGEN_INLINE grugen_vector grugen_scaled(grugen_vector m, grugen_exponential of)
{
#if GRUGEN_X86_BYTES == 64
    return GRUGEN_X86(scalef)(m, of.n);
#else
    // in two factors, since n passes the exponents of normal numbers; n + 2048 is positive, so
    // that half of it needs no arithmetic shift
    const grugen_natural offset = 2048, bias = GRUGEN_BIAS - offset / 2;
    const grugen_bits none = (grugen_bits)grugen_spread_v(GRUGEN_ROUNDER + GRUGEN_BIAS);
    const grugen_bits whole = (grugen_bits)of.rounded - none + offset;
    const grugen_bits half = whole >> 1, rest = whole - half;
    const grugen_vector first = (grugen_vector)((half + bias) << GRUGEN_FRACTION_BITS);
    const grugen_vector second = (grugen_vector)((rest + bias) << GRUGEN_FRACTION_BITS);
    return m * first * second;
#endif
}

GRUGEN_INLINE grugen_vector grugen_exp_v(grugen_vector a)
{
    // beyond these the result is 0 or infinite anyway; NaN passes
    const grugen_vector low = grugen_spread_v(-GRUGEN_NUMBER(104.0, 746.0));
    const grugen_vector high = grugen_spread_v(GRUGEN_NUMBER(89.0, 710.0));
    const grugen_exponential of =
        grugen_exponential_of(grugen_min_v(grugen_max_v(a, low), high), 1, 0);
    return grugen_scaled(of.p + 1, of);
}

// sigmoid(a) = 1 / (1 + e), e = exp(-a) = 2^n - 2^n p. Up to +-88 neither e nor its exponent
// overflows; from there on the result is below the smallest normal number, or 1.
GRUGEN_INLINE grugen_vector grugen_sigmoid_v(grugen_vector a)
{
    const grugen_vector low = grugen_spread_v(-GRUGEN_NUMBER(88.0, 709.0));
    const grugen_vector high = grugen_spread_v(GRUGEN_NUMBER(87.0, 708.0));
    const grugen_exponential of =
        grugen_exponential_of(grugen_min_v(grugen_max_v(a, low), high), -1, 0);
    const grugen_vector one = grugen_spread_v(1);
#if GRUGEN_X86_BYTES == 64 && GRUGEN_REAL_IS_F32
    // an estimate y to 14 bits, and one step of Newton's iteration, whose remainder
    // 1 - y (1 + e) is formed without the rounding error of 1 + e
    const grugen_vector e = of.scale - of.p * of.scale;
    const grugen_vector y = _mm512_rcp14_ps(e + 1);
    return y + y * ((one - y * e) - y);
#else
    // 1 + 2^n - 2^n p with one rounding, and the 1 again where 2^n is so large that it got lost
    const grugen_vector sum = of.scale + one;
    const grugen_vector lost = one - (sum - of.scale);
    return one / ((lost - of.p * of.scale) + sum);
#endif
}

// tanh(a) = E / (E + 2), E = exp(2|a|) - 1 = 2^n 2p + (2^n - 1). Near 0, where n = 0, E = 2p keeps
// all digits; elsewhere 2^n - 1 is the larger of the two. From 9.02 or 19.1 on E absorbs the 2, and
// the result is 1 itself, and not a neighbour: 1 - tanh^2 must be 0 there.
GRUGEN_INLINE grugen_vector grugen_tanh_v(grugen_vector a)
{
    const grugen_vector limit = grugen_spread_v(GRUGEN_NUMBER(10.0, 20.0));
    const grugen_exponential of =
        grugen_exponential_of(grugen_min_v(grugen_abs_v(a), limit), 2, 1);
    const grugen_vector start = of.scale * 0.5f - 1;
#if GRUGEN_REAL_IS_F32
    const grugen_vector e = of.p * of.scale + start;
#else
    // 2^n - 1 + 2^n 2r is exact to half an ulp, and the rest small beside it
    const grugen_vector e = (of.square * of.scale) * of.q + (of.r * of.scale + start);
#endif
    const grugen_vector denominator = e + 2;
    // the remainder, formed without the rounding error of e + 2, corrects the quotient
#if GRUGEN_X86_BYTES == 64 && GRUGEN_REAL_IS_F32
    const grugen_vector estimate = _mm512_rcp14_ps(denominator);
    const grugen_vector quotient = e * estimate;
    const grugen_vector remainder = _mm512_fnmadd_ps(quotient, e, e - quotient * 2);
#else
    const grugen_vector quotient = e / denominator;
    const grugen_vector remainder = (e - quotient * 2) - quotient * e;
    // 1 / (e + 2) is (1 - quotient) / 2; large quotients neither need nor bear the correction
    const grugen_vector estimate =
        grugen_max_v(quotient * -GRUGEN_NUMBER(0.55, 0.55) + 0.5f, grugen_spread_v(0));
#endif
    return grugen_signed_v(quotient + remainder * estimate, a);
}
