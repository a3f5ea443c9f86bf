// Elementary functions of a number, under the names that the other targets have for them. CUDA's own
// are good to 2 ulp; what is built on them here is written so that no argument overflows.
#pragma once

#include <math.h>
#include <stdint.h>

// min and max: ties and unordered arguments give the first
__device__ inline float grugen_min_f32(float a, float b) { return b < a ? b : a; }
__device__ inline double grugen_min_f64(double a, double b) { return b < a ? b : a; }
__device__ inline float grugen_max_f32(float a, float b) { return b > a ? b : a; }
__device__ inline double grugen_max_f64(double a, double b) { return b > a ? b : a; }
__device__ inline float grugen_abs_f32(float a) { return fabsf(a); }
__device__ inline double grugen_abs_f64(double a) { return fabs(a); }
__device__ inline float grugen_sqrt_f32(float a) { return sqrtf(a); }
__device__ inline double grugen_sqrt_f64(double a) { return sqrt(a); }
__device__ inline float grugen_floor_f32(float a) { return floorf(a); }
__device__ inline double grugen_floor_f64(double a) { return floor(a); }
__device__ inline float grugen_relu_f32(float a) { return a <= 0 ? 0 : a; }
__device__ inline double grugen_relu_f64(double a) { return a <= 0 ? 0 : a; }
__device__ inline float grugen_exp_f32(float a) { return expf(a); }
__device__ inline double grugen_exp_f64(double a) { return exp(a); }
__device__ inline float grugen_log_f32(float a) { return logf(a); }
__device__ inline double grugen_log_f64(double a) { return log(a); }
__device__ inline float grugen_tanh_f32(float a) { return tanhf(a); }
__device__ inline double grugen_tanh_f64(double a) { return tanh(a); }

// 1 / a for 1 <= a <= 2, where no case is special: an estimate, and a step of Newton's
__device__ inline float grugen_reciprocal_f32(float a)
{
    const float estimate = __fdividef(1.0f, a);
    return fmaf(estimate, fmaf(-a, estimate, 1.0f), estimate);
}

// sigmoid(a) = 1 / (1 + exp(-a)), from exp of a number that is never positive
__device__ inline float grugen_sigmoid_f32(float a)
{
    const float e = expf(-fabsf(a));
    return (a < 0 ? e : 1) * grugen_reciprocal_f32(1 + e);
}

__device__ inline double grugen_sigmoid_f64(double a)
{
    const double e = exp(-fabs(a));
    return (a < 0 ? e : 1) / (1 + e);
}

// softplus(a) = log(1 + exp(a)) = max(a, 0) + log(1 + exp(-|a|))
__device__ inline float grugen_softplus_f32(float a)
{
    return (a > 0 ? a : 0) + log1pf(expf(-fabsf(a)));
}

__device__ inline double grugen_softplus_f64(double a)
{
    return (a > 0 ? a : 0) + log1p(exp(-fabs(a)));
}

// a^n for a whole n >= 0, by squaring; n is a constant wherever this is called
__device__ inline float grugen_whole_power_f32(float a, int n)
{
    float result = 1;
    for (float square = a; n > 0; n /= 2, square *= square) {
        if (n % 2) { result *= square; }
    }
    return result;
}

__device__ inline double grugen_whole_power_f64(double a, int n)
{
    double result = 1;
    for (double square = a; n > 0; n /= 2, square *= square) {
        if (n % 2) { result *= square; }
    }
    return result;
}

__device__ inline float grugen_power_f32(float a, float exponent) { return powf(a, exponent); }
__device__ inline double grugen_power_f64(double a, double exponent) { return pow(a, exponent); }
