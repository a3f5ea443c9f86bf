// Sums over whole vectors.
#pragma once

#include <stdint.h>

#include "grugen_team.cuh"

// The sum over a vector, by all lanes of a warp; each of them gets it.
__device__ inline GRUGEN_REAL grugen_sum_v(const GRUGEN_REAL *vector, int64_t units)
{
    GRUGEN_REAL sum = 0;
    for (int64_t k = threadIdx.x % GRUGEN_WARP; k < units; k += GRUGEN_WARP) { sum += vector[k]; }
    for (int apart = GRUGEN_WARP / 2; apart > 0; apart /= 2) {
        sum += __shfl_xor_sync(0xffffffffu, sum, apart);
    }
    return sum;
}

// The sum over the products of two vectors' elements, by all lanes of a warp.
__device__ inline GRUGEN_REAL
grugen_dot_v(const GRUGEN_REAL *a, const GRUGEN_REAL *b, int64_t units)
{
    GRUGEN_REAL sum = 0;
    for (int64_t k = threadIdx.x % GRUGEN_WARP; k < units; k += GRUGEN_WARP) { sum += a[k] * b[k]; }
    for (int apart = GRUGEN_WARP / 2; apart > 0; apart /= 2) {
        sum += __shfl_xor_sync(0xffffffffu, sum, apart);
    }
    return sum;
}

// One element of a product, by one thread: sum over k of a[k * stride] * b[k].
__device__ inline GRUGEN_REAL
grugen_dot_strided(const GRUGEN_REAL *a, int64_t stride, const GRUGEN_REAL *b, int64_t units)
{
    GRUGEN_REAL sum = 0;
    for (int64_t k = 0; k < units; ++k) { sum += a[k * stride] * b[k]; }
    return sum;
}
