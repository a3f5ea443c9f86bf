// Elementary functions of vectors: no branches, no tables, at most 2 ulp for normal results, 4 for
// powers. Infinities and NaN give what IEEE 754 expects of the functions; what is below the
// smallest normal number may be flushed to 0.
//
// Arguments are reduced as Cody & Waite, "Software Manual for the Elementary Functions" (1980) do:
//   exp(x) = 2^n exp(r), exp(r) = 1 + r + r^2 Q(r),     |r| <= ln 2 / 2
//   log(a) = n ln 2 + log(1 + f),                       sqrt(1/2) <= 1 + f < 3/2
// and the rest is built on them, ordered so that the term with the most digits is added last.
// All polynomials are minimax in the relative error of the function that they serve: Remez'
// exchange algorithm in 50 digits (Muller, "Elementary Functions", 2016, chapter 3), coefficients
// rounded to the type afterwards. They are evaluated in pairs of terms joined by powers of the
// argument (Estrin 1960), since a processor has few vectors of an epilogue in flight and waits for
// chains of dependent operations.
#pragma once

#include <math.h>

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

// numerator / denominator, for positive denominators well inside the range of normal numbers.
GRUGEN_INLINE grugen_vector grugen_ratio(grugen_vector numerator, grugen_vector denominator)
{
#if GRUGEN_X86_BYTES == 64 && GRUGEN_REAL_IS_F32
    // an estimate to 14 bits, and one step of Newton's iteration on the quotient itself, whose
    // remainder is exact where it is one fused operation, as in every optimised build: half an ulp
    // and 2^-28, in a third of the time of a division
    const grugen_vector estimate = _mm512_rcp14_ps(denominator);
    const grugen_vector quotient = numerator * estimate;
    return quotient + (numerator - quotient * denominator) * estimate;
#else
    return numerator / denominator;
#endif
}

// ln 2 in two parts, of which the first has so few digits that its product with a whole number is
// exact; neither is negative.
#define GRUGEN_LN2_HIGH GRUGEN_NUMBER(0.69314575, 0.6931471803691238)
#define GRUGEN_LN2_LOW GRUGEN_NUMBER(1.4286068e-06, 1.9082149292705877e-10)

// exp(x) = 2^n (1 + p) with x = n ln 2 + r, p = expm1(r), |r| <= ln 2 / 2. `scale` is 2^n, for x
// that keep n between the exponents of normal numbers; `rounded` holds n in its low bits. p is
// r + square q, for those that add it to more.
typedef struct grugen_exponential {
    grugen_vector rounded, n, r, square, q, p, scale;
} grugen_exponential;

GRUGEN_INLINE grugen_exponential grugen_exponential_of(grugen_vector x)
{
    grugen_exponential of;
    // with the bias added in, a shift makes the low bits into the exponent of 2^n
    const GRUGEN_REAL rounder = GRUGEN_ROUNDER + GRUGEN_BIAS;
    of.rounded = x * GRUGEN_NUMBER(1.44269504, 1.4426950408889634) + rounder;
    of.n = of.rounded - rounder;
    of.scale = (grugen_vector)((grugen_bits)of.rounded << GRUGEN_FRACTION_BITS);
    const grugen_vector r = (x - of.n * GRUGEN_LN2_HIGH) - of.n * GRUGEN_LN2_LOW;
    const grugen_vector r2 = r * r;
#if GRUGEN_REAL_IS_F32
    const grugen_vector q01 = r * 0.16666543f + 0.49999997f;
    const grugen_vector q23 = r * 0.0083665475f + 0.0416672f;
    const grugen_vector q234 = r2 * 0.0013882519f + q23;
    const grugen_vector q = q234 * r2 + q01;
#else
    const grugen_vector r4 = r2 * r2;
    const grugen_vector q01 = r * 0.16666666666666588 + 0.5000000000000006;
    const grugen_vector q23 = r * 0.008333333333389727 + 0.041666666666576466;
    const grugen_vector q45 = r * 0.00019841269718720824 + 0.0013888888931666813;
    const grugen_vector q67 = r * 2.755740767778076e-06 + 2.480150514304721e-05;
    const grugen_vector q89 = r * 2.5053778205376832e-08 + 2.762609269690796e-07;
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
        grugen_exponential_of(grugen_min_v(grugen_max_v(a, low), high));
    return grugen_scaled(of.p + 1, of);
}

// sigmoid(a) = 1 / (1 + exp(-a)). Up to +-88 neither exp(-a) nor its exponent overflows; from
// there on the result is below the smallest normal number, or 1.
GRUGEN_INLINE grugen_vector grugen_sigmoid_v(grugen_vector a)
{
    const grugen_vector limit = grugen_spread_v(GRUGEN_NUMBER(88.0, 709.0));
    const grugen_exponential of = grugen_exponential_of(
        grugen_min_v(grugen_max_v(-a, grugen_spread_v(-GRUGEN_NUMBER(87.0, 708.0))), limit));
    const grugen_vector one = grugen_spread_v(1);
    // 1 + 2^n + 2^n p with one rounding, and the 1 again where 2^n is so large that it got lost
    const grugen_vector sum = of.scale + one;
    const grugen_vector lost = one - (sum - of.scale);
    return grugen_ratio(one, (of.p * of.scale + lost) + sum);
}

// tanh(a) = E / (E + 2), E = exp(2|a|) - 1 = 2^n p + (2^n - 1). Near 0, where n = 0, E = p keeps
// all digits; elsewhere 2^n - 1 is the larger of the two. From 9.02 or 19.1 on the result is 1.
GRUGEN_INLINE grugen_vector grugen_tanh_v(grugen_vector a)
{
    const grugen_vector limit = grugen_spread_v(GRUGEN_NUMBER(10.0, 20.0));
    const grugen_vector size = grugen_abs_v(a);
    const grugen_exponential of = grugen_exponential_of(grugen_min_v(size, limit) * 2);
#if GRUGEN_REAL_IS_F32
    const grugen_vector e = of.p * of.scale + (of.scale - 1);
#else
    // 2^n - 1 + 2^n r is exact to half an ulp, and the rest small beside it
    const grugen_vector e =
        (of.square * of.scale) * of.q + (of.r * of.scale + (of.scale - 1));
#endif
    const grugen_vector denominator = e + 2;
#if GRUGEN_X86_BYTES == 64 && GRUGEN_REAL_IS_F32
    const grugen_vector estimate = _mm512_rcp14_ps(denominator);
    const grugen_vector quotient = e * estimate;
#else
    const grugen_vector quotient = e / denominator;
    // 1 / (e + 2) is (1 - quotient) / 2; large quotients neither need nor bear the correction
    const grugen_vector estimate =
        grugen_max_v(quotient * -GRUGEN_NUMBER(0.55, 0.55) + 0.5f, grugen_spread_v(0));
#endif
    // the remainder, formed without the rounding error of e + 2, corrects the quotient
    const grugen_vector remainder = (e - quotient * 2) - quotient * e;
    // 1 itself, and not a neighbour, whoever contracts what above: 1 - tanh^2 must be 0 there
    const grugen_vector corrected = quotient + remainder * estimate;
    const grugen_vector result = grugen_select_v(size >= limit, grugen_spread_v(1), corrected);
    return grugen_signed_v(result, a);
}

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
    const grugen_vector s = grugen_ratio(f, f + 2);
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

// softplus(a) = max(a, 0) + log(1 + e), e = exp(-|a|) in [0, 1].
GRUGEN_INLINE grugen_vector grugen_softplus_v(grugen_vector a)
{
    const grugen_vector limit = grugen_spread_v(-GRUGEN_NUMBER(88.0, 709.0));
    const grugen_exponential of = grugen_exponential_of(grugen_max_v(-grugen_abs_v(a), limit));
    const grugen_vector e = of.p * of.scale + of.scale;
    // the result is 2^n + (2^n p + max(a, 0) - what log(1 + e) lacks to e), the largest term last
    grugen_vector start = of.p * of.scale + grugen_max_v(a, grugen_spread_v(0));
#if !GRUGEN_FUSED
    // more roundings leave no room for that of e: half of it, as it counts where e is nearly 1
    start -= (of.p * of.scale - (e - of.scale)) * 0.5f;
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
    const grugen_vector s = grugen_ratio(e, e + 2);
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
    const grugen_exponential of = grugen_exponential_of(x);
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
