// Elementary functions without branches, so that compilers turn loops over them into vectors.
//
// exp: Cody & Waite 1980, chapter 6: a = n ln 2 + r, |r| <= ln 2 / 2, exp(a) = 2^n exp(r), with a
// Taylor polynomial in r. log: a = 2^n m, m in [sqrt(1/2), sqrt(2)), log(m) = 2 atanh(s),
// s = (m - 1) / (m + 1). The rest is built on them so that no argument overflows. Infinities and
// NaN give what IEEE 754 expects of the functions.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float grugen_from_bits_f32(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline uint32_t grugen_bits_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static inline double grugen_from_bits_f64(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline uint64_t grugen_bits_f64(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

// min and max: ties and unordered arguments give the first.
static inline float grugen_min_f32(float a, float b) { return b < a ? b : a; }
static inline float grugen_max_f32(float a, float b) { return b > a ? b : a; }
static inline double grugen_min_f64(double a, double b) { return b < a ? b : a; }
static inline double grugen_max_f64(double a, double b) { return b > a ? b : a; }

static inline float grugen_abs_f32(float a) { return __builtin_fabsf(a); }
static inline double grugen_abs_f64(double a) { return __builtin_fabs(a); }
static inline float grugen_sqrt_f32(float a) { return __builtin_sqrtf(a); }
static inline double grugen_sqrt_f64(double a) { return __builtin_sqrt(a); }
static inline float grugen_floor_f32(float a) { return __builtin_floorf(a); }
static inline double grugen_floor_f64(double a) { return __builtin_floor(a); }
static inline float grugen_relu_f32(float a) { return a <= 0.0f ? 0.0f : a; }
static inline double grugen_relu_f64(double a) { return a <= 0.0 ? 0.0 : a; }

static inline float grugen_exp_f32(float a)
{
    // beyond these the result is 0 or infinite anyway; NaN passes both comparisons
    const float low = a < -104.0f ? -104.0f : a;
    const float x = low > 89.0f ? 89.0f : low;
    const float n = __builtin_rintf(x * 1.44269504088896341f);
    const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.9841270e-4f;
    p = p * r + 1.3888889e-3f;
    p = p * r + 8.3333333e-3f;
    p = p * r + 4.1666667e-2f;
    p = p * r + 1.6666667e-1f;
    p = p * r + 0.5f;
    p = (p * r) * r + r + 1.0f;
    // 2^n in two factors: n reaches from -150 to 128, beyond the exponents of normal numbers
    const int32_t whole = x == x ? (int32_t)n : 0;
    const int32_t half = whole / 2;
    const float s = grugen_from_bits_f32((uint32_t)(half + 127) << 23);
    const float u = grugen_from_bits_f32((uint32_t)(whole - half + 127) << 23);
    return p * s * u;
}

static inline double grugen_exp_f64(double a)
{
    const double low = a < -746.0 ? -746.0 : a;
    const double x = low > 710.0 ? 710.0 : low;
    // adding 1.5 * 2^52 rounds to a whole number and leaves it in the low bits
    const double shift = 6755399441055744.0;
    const double shifted = x * 1.4426950408889634074 + shift;
    const double n = shifted - shift;
    const double r = (x - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6;
    double p = 1.6059043836821614599e-10;
    p = p * r + 2.0876756987868098979e-9;
    p = p * r + 2.5052108385441718775e-8;
    p = p * r + 2.7557319223985890653e-7;
    p = p * r + 2.7557319223985890653e-6;
    p = p * r + 2.4801587301587301587e-5;
    p = p * r + 1.9841269841269841270e-4;
    p = p * r + 1.3888888888888888889e-3;
    p = p * r + 8.3333333333333333333e-3;
    p = p * r + 4.1666666666666666667e-2;
    p = p * r + 1.6666666666666666667e-1;
    p = p * r + 0.5;
    p = (p * r) * r + r + 1.0;
    const int64_t whole = (int64_t)(grugen_bits_f64(shifted) - grugen_bits_f64(shift));
    // whole >> 1 without an arithmetic shift of 64 bits, which AVX2 lacks
    const int64_t half = (int64_t)((uint64_t)(whole + 4096) >> 1) - 2048;
    const double s = grugen_from_bits_f64((uint64_t)(half + 1023) << 52);
    const double u = grugen_from_bits_f64((uint64_t)(whole - half + 1023) << 52);
    const double result = p * s * u;
    return a == a ? result : a;
}

static inline float grugen_log_f32(float a)
{
    // denormals are brought into the normal range first, where the machine has not flushed them
    const int tiny = a < 1.17549435e-38f;
    const float x = tiny ? a * 8388608.0f : a;
    const uint32_t bits = grugen_bits_f32(x) - 0x3f3504f3u;
    const int32_t exponent = (int32_t)bits >> 23;
    const float m = grugen_from_bits_f32((bits & 0x007fffffu) + 0x3f3504f3u);
    const float n = (float)exponent - (tiny ? 23.0f : 0.0f);
    const float f = m - 1.0f;
    const float s = f / (f + 2.0f);
    const float w = s * s;
    float p = 0.1538461538f;
    p = p * w + 0.1818181818f;
    p = p * w + 0.2222222222f;
    p = p * w + 0.2857142857f;
    p = p * w + 0.4f;
    p = p * w + 0.6666666667f;
    // log(1 + f) = f - f^2/2 + s (f^2/2 + w p): the leading term f is exact
    const float h = 0.5f * f * f;
    const float result = n * 0.693359375f + (f - (h - (s * (h + w * p) + n * -2.12194440e-4f)));
    const float finite = a > 0.0f ? result : (a == 0.0f ? -INFINITY : NAN);
    return a == INFINITY || a != a ? a : finite;
}

static inline double grugen_log_f64(double a)
{
    const int tiny = a < 2.2250738585072014e-308;
    const double x = tiny ? a * 4503599627370496.0 : a;
    const uint64_t bits = grugen_bits_f64(x) - 0x3fe6a09e667f3bcdull;
    // the exponent as a number, without a conversion of 64-bit integers, which AVX2 lacks
    const double shift = 6755399441055744.0;
    const uint64_t biased = (bits >> 52) ^ 0x800u;
    const double n = grugen_from_bits_f64(grugen_bits_f64(shift) + biased) - shift - 2048.0 -
                     (tiny ? 52.0 : 0.0);
    const double m = grugen_from_bits_f64((bits & 0x000fffffffffffffull) + 0x3fe6a09e667f3bcdull);
    const double f = m - 1.0;
    const double s = f / (f + 2.0);
    const double w = s * s;
    double p = 2.0 / 23.0;
    p = p * w + 2.0 / 21.0;
    p = p * w + 2.0 / 19.0;
    p = p * w + 2.0 / 17.0;
    p = p * w + 2.0 / 15.0;
    p = p * w + 2.0 / 13.0;
    p = p * w + 2.0 / 11.0;
    p = p * w + 2.0 / 9.0;
    p = p * w + 2.0 / 7.0;
    p = p * w + 2.0 / 5.0;
    p = p * w + 2.0 / 3.0;
    const double h = 0.5 * f * f;
    const double result =
        n * 6.93147180369123816490e-1 + (f - (h - (s * (h + w * p) + n * 1.90821492927058770002e-10)));
    const double finite = a > 0.0 ? result : (a == 0.0 ? -INFINITY : (double)NAN);
    return a == INFINITY || a != a ? a : finite;
}

// sigmoid(a) = 1 / (1 + exp(-a)), from exp of a number that is never positive
static inline float grugen_sigmoid_f32(float a)
{
    const float e = grugen_exp_f32(-__builtin_fabsf(a));
    return (a < 0.0f ? e : 1.0f) / (1.0f + e);
}

static inline double grugen_sigmoid_f64(double a)
{
    const double e = grugen_exp_f64(-__builtin_fabs(a));
    return (a < 0.0 ? e : 1.0) / (1.0 + e);
}

// tanh: near 0 by its series, so that small arguments keep all their digits
static inline float grugen_tanh_f32(float a)
{
    const float x = __builtin_fabsf(a);
    const float e = grugen_exp_f32(-2.0f * x);
    const float far = (1.0f - e) / (1.0f + e);
    const float w = a * a;
    float p = -5.70498872745e-3f;
    p = p * w + 2.06390887954e-2f;
    p = p * w + -5.37397155531e-2f;
    p = p * w + 1.33314422036e-1f;
    p = p * w + -3.33332819422e-1f;
    const float near = p * w * x + x;
    return __builtin_copysignf(x < 0.625f ? near : far, a);
}

static inline double grugen_tanh_f64(double a)
{
    // (1 - e) / (1 + e) loses digits near 0, where exp(-2x) - 1 is formed by its series instead
    const double x = __builtin_fabs(a);
    const double e = grugen_exp_f64(-2.0 * x);
    const double far = (1.0 - e) / (1.0 + e);
    const double w = a * a;
    // Cephes tanh (Moshier 1989): x + x^3 P(x^2) / Q(x^2) for x < 0.625
    double p = -9.64399179425052238628e-1;
    p = p * w + -9.92877231001918586564e1;
    p = p * w + -1.61468768441708447952e3;
    double q = w + 1.12811678491632931402e2;
    q = q * w + 2.23548839060100448583e3;
    q = q * w + 4.84406305325125486048e3;
    const double near = x + x * w * (p / q);
    return __builtin_copysign(x < 0.625 ? near : far, a);
}

// log(1 + e) for 0 <= e <= 1, with the rounding error of 1 + e put back in
static inline float grugen_log1p_f32(float e)
{
    const float u = 1.0f + e;
    return grugen_log_f32(u) + (e - (u - 1.0f)) / u;
}

static inline double grugen_log1p_f64(double e)
{
    const double u = 1.0 + e;
    return grugen_log_f64(u) + (e - (u - 1.0)) / u;
}

// softplus(a) = log(1 + exp(a)) = max(a, 0) + log(1 + exp(-|a|))
static inline float grugen_softplus_f32(float a)
{
    const float rest = grugen_log1p_f32(grugen_exp_f32(-__builtin_fabsf(a)));
    return (a > 0.0f ? a : 0.0f) + rest;
}

static inline double grugen_softplus_f64(double a)
{
    const double rest = grugen_log1p_f64(grugen_exp_f64(-__builtin_fabs(a)));
    return (a > 0.0 ? a : 0.0) + rest;
}

// a^n for a whole n >= 0, by squaring; n is a constant wherever this is called
static inline float grugen_whole_power_f32(float a, int n)
{
    float result = 1.0f;
    for (float square = a; n > 0; n /= 2, square *= square) {
        if (n % 2) { result *= square; }
    }
    return result;
}

static inline double grugen_whole_power_f64(double a, int n)
{
    double result = 1.0;
    for (double square = a; n > 0; n /= 2, square *= square) {
        if (n % 2) { result *= square; }
    }
    return result;
}

static inline float grugen_power_f32(float a, float exponent) { return powf(a, exponent); }
static inline double grugen_power_f64(double a, double exponent) { return pow(a, exponent); }
