// Logarithms of vectors, and softplus, with the properties that grugen_vector_exp.h tells.
//   log(a) = n ln 2 + log(1 + f),                       sqrt(1/2) <= 1 + f < 3/2
#pragma once

#include <math.h>

#include "grugen_vector_exp.h"

// a = 2^n (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2), for normal a > 0.
GRUGEN_INLINE grugen_vector grugen_fraction_of(grugen_vector a, grugen_vector *n)
{
    const grugen_vector root = grugen_spread_v(GRUGEN_NUMBER(0.70710678, 0.7071067811865476));
    const grugen_bits bits = (grugen_bits)a - (grugen_bits)root;
    const grugen_natural fraction = ((grugen_natural)1 << GRUGEN_FRACTION_BITS) - 1;
    // the exponent becomes a number in the low bits of a sum, without a conversion of integers
    const grugen_natural offset = (grugen_natural)1 << (sizeof(GRUGEN_REAL) == 4 ? 8 : 11);
    const grugen_bits biased = (bits >> GRUGEN_FRACTION_BITS) ^ offset;
    const grugen_vector rounder = grugen_spread_v(GRUGEN_ROUNDER);
    *n = (grugen_vector)((grugen_bits)rounder + biased) - (rounder + (GRUGEN_REAL)offset);
    return (grugen_vector)((bits & fraction) + (grugen_bits)root) - 1;
}

// GCC's intrinsics for exponent and fraction are macros where nothing is optimised, and warn then.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
GRUGEN_INLINE grugen_vector grugen_log_v(grugen_vector a)
{
    grugen_vector n;
#if GRUGEN_X86_BYTES == 64
    // exponent and fraction as the machine tells them, of denormals too. It gives infinite
    // exponents to 0 and infinity and a fraction that is NaN to numbers below 0, so that the
    // result is what it should be without more ado.
    const grugen_vector m = GRUGEN_X86(getmant)(a, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
    n = GRUGEN_X86(getexp)(a) + grugen_select_v(m < 1, grugen_spread_v(1), grugen_spread_v(0));
    const grugen_vector f = m - 1;
#else
    // denormals are brought into the normal range first, where the machine has not flushed them
    const GRUGEN_REAL up = GRUGEN_NUMBER(8388608.0, 4503599627370496.0);
    const grugen_mask tiny = a < GRUGEN_SMALLEST_NORMAL;
    const grugen_vector f = grugen_fraction_of(grugen_select_v(tiny, a * up, a), &n);
    n -= grugen_select_v(tiny, grugen_spread_v(GRUGEN_FRACTION_BITS), grugen_spread_v(0));
#endif
#if GRUGEN_REAL_IS_F32
    // f - f^2/2 + f^3 P(f): the leading term is exact
    const grugen_vector f2 = f * f;
    const grugen_vector f4 = f2 * f2;
    const grugen_vector p01 = f * -0.2500027f + 0.3333332f;
    const grugen_vector p23 = f * -0.16654032f + 0.20001793f;
    const grugen_vector p45 = f * -0.12636489f + 0.14215904f;
    const grugen_vector p67 = f * -0.104601964f + 0.121305324f;
    const grugen_vector p03 = p23 * f2 + p01;
    const grugen_vector p47 = p67 * f2 + p45;
    const grugen_vector p = (f4 * 0.048091516f + p47) * f4 + p03;
    const grugen_vector tail = (f2 * f) * p + n * GRUGEN_LN2_LOW;
    const grugen_vector result = n * GRUGEN_LN2_HIGH + (f + (f2 * -0.5f + tail));
#else
    // log(1 + f) = 2 atanh(s), s = f / (f + 2), = 2s + s w P(w), w = s^2; since
    // 2s = f - s f = f - f^2/2 + s f^2/2, the leading term is exact again
    const grugen_vector s = f / (f + 2);
    const grugen_vector w = s * s;
    const grugen_vector w2 = w * w;
    const grugen_vector w4 = w2 * w2;
    const grugen_vector p01 = w * 0.4000000000005671 + 0.666666666666666;
    const grugen_vector p23 = w * 0.2222222429756076 + 0.28571428555819756;
    const grugen_vector p45 = w * 0.15391114711559198 + 0.18181665800886973;
    const grugen_vector p67 = w * 0.13843423689284928 + 0.13173547554986037;
    const grugen_vector p03 = p23 * w2 + p01;
    const grugen_vector p47 = p67 * w2 + p45;
    const grugen_vector p = p47 * w4 + p03;
    const grugen_vector h = f * f * 0.5;
    const grugen_vector tail = s * (h + w * p) + n * GRUGEN_LN2_LOW;
    const grugen_vector result = n * GRUGEN_LN2_HIGH + (f - (h - tail));
#endif
#if GRUGEN_X86_BYTES == 64
    return result;
#else
    const grugen_vector infinite = grugen_spread_v((GRUGEN_REAL)INFINITY);
    const grugen_vector none = grugen_spread_v((GRUGEN_REAL)NAN);
    const grugen_vector edge = grugen_select_v(a == 0, -infinite, none);
    const grugen_vector finite = grugen_select_v(a > 0, result, edge);
    return grugen_select_v(a < infinite, finite, a);
#endif
}
#pragma GCC diagnostic pop

// softplus(a) = max(a, 0) + log(1 + e), e = exp(-|a|) = 2^n - 2^n p in [0, 1].
GRUGEN_INLINE grugen_vector grugen_softplus_v(grugen_vector a)
{
    const grugen_vector limit = grugen_spread_v(GRUGEN_NUMBER(88.0, 709.0));
    const grugen_exponential of =
        grugen_exponential_of(grugen_min_v(grugen_abs_v(a), limit), -1, 0);
    const grugen_vector e = of.scale - of.p * of.scale;
    // the result is 2^n + (max(a, 0) - 2^n p - what log(1 + e) lacks to e), the largest term last
    grugen_vector start = grugen_max_v(a, grugen_spread_v(0)) - of.p * of.scale;
#if !GRUGEN_FUSED
    // more roundings leave no room for that of e: half of it, as it counts where e is nearly 1
    start += (of.p * of.scale + (e - of.scale)) * 0.5f;
#endif
#if GRUGEN_REAL_IS_F32
    // log(1 + e) = e - e^2 Q(e): the leading term keeps all its digits
    const grugen_vector e2 = e * e;
    const grugen_vector e4 = e2 * e2;
    const grugen_vector q12 = e * 0.2498858f + -0.3333269f;
    const grugen_vector q34 = e * 0.16129342f + -0.19897933f;
    const grugen_vector q56 = e * 0.083074234f + -0.12467135f;
    const grugen_vector q78 = e * 0.013631546f + -0.041981503f;
    const grugen_vector q14 = q34 * e2 + q12;
    const grugen_vector q58 = q78 * e2 + q56;
    const grugen_vector q19 = (e4 * -0.0020729606f + q58) * e4 + q14;
    const grugen_vector q = q19 * e + 0.49999988f;
    return (start - e2 * q) + of.scale;
#else
    // log(1 + e) = 2s + s w P(w), s = e / (e + 2), w = s^2, and 2s = e - s e
    const grugen_vector s = e / (e + 2);
    const grugen_vector w = s * s;
    const grugen_vector w2 = w * w;
    const grugen_vector w4 = w2 * w2;
    const grugen_vector p01 = w * 0.4000000000015512 + 0.6666666666666631;
    const grugen_vector p23 = w * 0.22222223953669096 + 0.28571428548117433;
    const grugen_vector p45 = w * 0.1538654839696464 + 0.18181744478614018;
    const grugen_vector p67 = w * 0.12104944555739297 + 0.13301121379169376;
    const grugen_vector p89 = w * 0.17009749877037753 + 0.08344974211074041;
    const grugen_vector p03 = p23 * w2 + p01;
    const grugen_vector p47 = p67 * w2 + p45;
    const grugen_vector p = (p89 * w4 + p47) * w4 + p03;
    return (start - s * (e - w * p)) + of.scale;
#endif
}
