// Powers of vectors with constant exponents: at most 4 ulp for normal results.
#pragma once

#include <math.h>

#include "grugen_vector_log.h"

// What rounding took from the product of a and b (Dekker 1971): halves of the digits, whose
// products are exact, unless one instruction tells it.
GRUGEN_INLINE grugen_vector grugen_product_error(grugen_vector a, grugen_vector b, grugen_vector ab)
{
#if GRUGEN_X86_BYTES > 0 && GRUGEN_FUSED
    return GRUGEN_X86(fmsub)(a, b, ab);
#else
    const grugen_natural upper = ~(((grugen_natural)1 << (GRUGEN_FRACTION_BITS / 2 + 1)) - 1);
    const grugen_vector high_a = (grugen_vector)((grugen_bits)a & upper), low_a = a - high_a;
    const grugen_vector high_b = (grugen_vector)((grugen_bits)b & upper), low_b = b - high_b;
    return (((high_a * high_b - ab) + high_a * low_b) + low_a * high_b) + low_a * low_b;
#endif
}

// The unevaluated sum of two vectors, of which the second is what rounding took from the first.
typedef struct grugen_pair {
    grugen_vector high, low;
} grugen_pair;

GRUGEN_INLINE grugen_pair grugen_pair_product(grugen_pair a, grugen_pair b)
{
    grugen_pair ab;
    ab.high = a.high * b.high;
    ab.low = grugen_product_error(a.high, b.high, ab.high) + (a.high * b.low + a.low * b.high);
    return ab;
}

// a + b of numbers, for |a| >= |b| or a = 0 (Dekker 1971).
GRUGEN_INLINE grugen_pair grugen_pair_sum(grugen_vector a, grugen_vector b)
{
    const grugen_vector sum = a + b;
    return (grugen_pair){sum, (a - sum) + b};
}

// a^n for a whole n >= 0, by squaring; n is a constant wherever this is called. From 6 on so many
// roundings would add up that they are carried along.
GRUGEN_INLINE grugen_vector grugen_whole_power_v(grugen_vector a, int n)
{
    if (n <= 5) {
        grugen_vector result = grugen_spread_v(1);
        for (grugen_vector square = a; n > 0; n /= 2, square *= square) {
            if (n % 2) { result *= square; }
        }
        return result;
    }
    const grugen_vector zero = grugen_spread_v(0);
    grugen_pair result = {grugen_spread_v(1), zero};
    for (grugen_pair square = {a, zero}; n > 0; n /= 2) {
        if (n % 2) { result = grugen_pair_product(result, square); }
        square = grugen_pair_product(square, square);
    }
    // infinity has a remainder that is no number
    const grugen_mask finite = grugen_abs_v(result.high) < (GRUGEN_REAL)INFINITY;
    return grugen_select_v(finite, result.high + result.low, result.high);
}

// a^exponent = exp(exponent log a) for finite a > 0, with so many digits of the logarithm that all
// digits of the result are right when it is large.
#if GRUGEN_REAL_IS_F32
typedef double grugen_wide __attribute__((vector_size(GRUGEN_VECTOR_BYTES)));
typedef uint64_t grugen_wide_bits __attribute__((vector_size(GRUGEN_VECTOR_BYTES)));

// In double precision, with the shorter polynomials that suffice for float32.
GRUGEN_INLINE grugen_wide grugen_wide_power(grugen_wide a, double exponent)
{
    const grugen_wide rounder = (grugen_wide){0} + 6755399441055744.0;
    const uint64_t root = 0x3fe6a09e667f3bcd, fraction = ((uint64_t)1 << 52) - 1;
    const grugen_wide_bits bits = (grugen_wide_bits)a - root;
    const grugen_wide_bits biased = (bits >> 52) ^ 2048u;
    const grugen_wide n = (grugen_wide)((grugen_wide_bits)rounder + biased) - (rounder + 2048);
    const grugen_wide f = (grugen_wide)((bits & fraction) + root) - 1;
    const grugen_wide s = f / (f + 2);
    const grugen_wide w = s * s;
    const grugen_wide p01 = w * 0.40000334978656776 + 0.6666666564686285;
    const grugen_wide p23 = w * 0.23582087243074093 + 0.28537316548392094;
    const grugen_wide p = w * w * p23 + p01;
    const grugen_wide z = (n * 0.6931471805599453 + (s * w * p + s * 2)) * exponent;
    const grugen_wide_bits low = (grugen_wide_bits)(z > -110), high = (grugen_wide_bits)(z < 90);
    const grugen_wide above = (grugen_wide)((low & (grugen_wide_bits)z) |
                                            (~low & (grugen_wide_bits)((grugen_wide){0} - 110)));
    const grugen_wide x = (grugen_wide)((high & (grugen_wide_bits)above) |
                                        (~high & (grugen_wide_bits)((grugen_wide){0} + 90)));
    const grugen_wide rounded = x * 1.4426950408889634 + (rounder + 1023);
    const grugen_wide r = x - (rounded - (rounder + 1023)) * 0.6931471805599453;
    const grugen_wide r2 = r * r;
    const grugen_wide q12 = r * 0.04166720065821682 + 0.1666654342372809;
    const grugen_wide q34 = r * 0.0013882519109928856 + 0.008366547171738969;
    const grugen_wide q = (q34 * r2 + q12) * r + 0.4999999814988026;
    return (r2 * q + r + 1) * (grugen_wide)((grugen_wide_bits)rounded << 52);
}

GRUGEN_INLINE grugen_vector grugen_positive_power(grugen_vector a, float exponent)
{
    float given[GRUGEN_LANES];
    memcpy(given, &a, sizeof(a));
    for (int half = 0; half < 2; ++half) {
        float *const lane = given + half * (GRUGEN_LANES / 2);
        grugen_wide wide;
        for (int i = 0; i < GRUGEN_LANES / 2; ++i) { wide[i] = (double)lane[i]; }
        wide = grugen_wide_power(wide, (double)exponent);
        for (int i = 0; i < GRUGEN_LANES / 2; ++i) { lane[i] = (float)wide[i]; }
    }
    memcpy(&a, given, sizeof(a));
    return a;
}
#else
// In pairs of numbers: log(1 + f) = 2 atanh(s) = s (2 + w (2/3 + w P(w))), s = f / (f + 2),
// w = s^2.
GRUGEN_INLINE grugen_vector grugen_positive_power(grugen_vector a, double exponent)
{
    const grugen_mask tiny = a < GRUGEN_SMALLEST_NORMAL;
    const grugen_vector zero = grugen_spread_v(0);
    grugen_vector n;
    const grugen_vector f =
        grugen_fraction_of(grugen_select_v(tiny, a * 4503599627370496.0, a), &n);
    n -= grugen_select_v(tiny, grugen_spread_v(GRUGEN_FRACTION_BITS), zero);

    const grugen_pair below = grugen_pair_sum(grugen_spread_v(2), f);
    const grugen_vector ratio = f / below.high, product = ratio * below.high;
    const grugen_vector remainder =
        ((f - product) - grugen_product_error(ratio, below.high, product)) - ratio * below.low;
    const grugen_pair s = {ratio, remainder / below.high};
    const grugen_pair square = grugen_pair_product(s, s);
    const grugen_vector w = square.high;
    const grugen_vector w2 = w * w;
    const grugen_vector w4 = w2 * w2;
    const grugen_vector u01 = w * 0.2857142857009656 + 0.4000000000000226;
    const grugen_vector u23 = w * 0.18181784316537336 + 0.2222222252048181;
    const grugen_vector u45 = w * 0.1325676017481121 + 0.15386759734538216;
    const grugen_vector u03 = u23 * w2 + u01;
    const grugen_vector u46 = w2 * 0.13196877183386602 + u45;
    const grugen_vector u = u46 * w4 + u03;
    grugen_pair sum = grugen_pair_sum(grugen_spread_v(0.6666666666666666), w * u);
    sum.low += 3.700743415417188e-17;
    const grugen_pair rest = grugen_pair_product(square, sum);
    sum = grugen_pair_sum(grugen_spread_v(2), rest.high);
    sum.low += rest.low;
    const grugen_pair fraction = grugen_pair_product(s, sum);
    grugen_pair logarithm = grugen_pair_sum(n * GRUGEN_LN2_HIGH, fraction.high);
    logarithm = grugen_pair_sum(
        logarithm.high, logarithm.low + (n * GRUGEN_LN2_LOW + fraction.low));

    const grugen_pair given = {grugen_spread_v(exponent), zero};
    const grugen_pair z = grugen_pair_product(given, logarithm);
    const grugen_vector low = grugen_spread_v(-746), high = grugen_spread_v(710);
    const grugen_vector x = grugen_min_v(grugen_max_v(z.high, low), high);
    const grugen_exponential of = grugen_exponential_of(x, 1, 0);
    const grugen_vector small = grugen_select_v(x == z.high, z.low, zero);
    return grugen_scaled((of.p * small + small) + of.p + 1, of);
}
#endif

// a^exponent with the special values of pow in C11, F.10.4.4.
GRUGEN_INLINE grugen_vector grugen_power_v(grugen_vector a, GRUGEN_REAL exponent)
{
    if (exponent == 0) { return grugen_spread_v(1); }
    // from here on every result is 0, 1 or infinite, and no product with a logarithm overflows
    const GRUGEN_REAL most = GRUGEN_NUMBER(1e30, 1e300);
    const GRUGEN_REAL y = exponent > most ? most : exponent < -most ? -most : exponent;
    // from 2^24 or 2^53 on all numbers are even; beyond int64_t the conversion is not asked
    const int large = y >= GRUGEN_NUMBER(9007199254740992.0, 9007199254740992.0) ||
                      y <= -GRUGEN_NUMBER(9007199254740992.0, 9007199254740992.0);
    const int64_t truncated = large ? 0 : (int64_t)y;
    const int whole = large || (GRUGEN_REAL)truncated == y;
    const int odd = whole && truncated % 2 != 0;

    const grugen_vector infinite = grugen_spread_v((GRUGEN_REAL)INFINITY);
    const grugen_vector zero = grugen_spread_v(0);
    const grugen_vector size = grugen_abs_v(a);
    grugen_vector result = grugen_positive_power(size, y);
    result = grugen_select_v(size == zero, y > 0 ? zero : infinite, result);
    result = grugen_select_v(size == infinite, y > 0 ? infinite : zero, result);
    if (odd) { result = grugen_signed_v(result, a); }
    if (!whole) {
        const grugen_mask none = (a < zero) & (size < infinite);
        result = grugen_select_v(none, grugen_spread_v((GRUGEN_REAL)NAN), result);
    }
    return grugen_select_v(a == a, result, a);
}
