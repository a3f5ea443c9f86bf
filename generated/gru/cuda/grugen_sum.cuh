// Sums over whole vectors.
#pragma once

#include <stdint.h>

#include "grugen_stored.cuh"
#include "grugen_team.cuh"

// The sum over a vector, by all lanes of a warp; each of them gets it.
template <class Element>
__device__ inline GRUGEN_REAL grugen_sum_v(const Element *vector, int64_t units)
{
    GRUGEN_REAL sum = 0;
    for (int64_t k = threadIdx.x % GRUGEN_WARP; k < units; k += GRUGEN_WARP) {
        sum += grugen_real_of(vector[k]);
    }
    for (int apart = GRUGEN_WARP / 2; apart > 0; apart /= 2) {
        sum += __shfl_xor_sync(0xffffffffu, sum, apart);
    }
    return sum;
}

// The sum over the products of two vectors' elements, by all lanes of a warp.
template <class A, class B>
__device__ inline GRUGEN_REAL grugen_dot_v(const A *a, const B *b, int64_t units)
{
    GRUGEN_REAL sum = 0;
    for (int64_t k = threadIdx.x % GRUGEN_WARP; k < units; k += GRUGEN_WARP) {
        sum += grugen_real_of(a[k]) * grugen_real_of(b[k]);
    }
    for (int apart = GRUGEN_WARP / 2; apart > 0; apart /= 2) {
        sum += __shfl_xor_sync(0xffffffffu, sum, apart);
    }
    return sum;
}

// One element of a product, by one thread: sum over k of a[k * stride] * b[k].
template <class A, class B>
__device__ inline GRUGEN_REAL
grugen_dot_strided(const A *a, int64_t stride, const B *b, int64_t units)
{
    GRUGEN_REAL sum = 0;
    for (int64_t k = 0; k < units; ++k) {
        sum += grugen_real_of(a[k * stride]) * grugen_real_of(b[k]);
    }
    return sum;
}
