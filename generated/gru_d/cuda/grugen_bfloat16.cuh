// Elements of bfloat16: the upper half of a float. A number becomes the nearest one, ties to even.
#pragma once

#include <cuda_runtime.h>

// what would be computed in bfloat16 by mistake is no C++
#define __CUDA_NO_BFLOAT16_CONVERSIONS__
#define __CUDA_NO_BFLOAT16_OPERATORS__
#include <cuda_bf16.h>

#define GRUGEN_STORED __nv_bfloat16
constexpr bool GRUGEN_CONVERTS = true;

__host__ __device__ __forceinline__ float grugen_real_of(__nv_bfloat16 element)
{
    return __bfloat162float(element);
}

__host__ __device__ __forceinline__ __nv_bfloat16 grugen_stored_of(float number)
{
    return __float2bfloat16_rn(number);
}

// What is one already stays as it is.
__host__ __device__ __forceinline__ __nv_bfloat16 grugen_stored_of(__nv_bfloat16 element)
{
    return element;
}

__host__ __device__ __forceinline__ unsigned grugen_bits_of(__nv_bfloat16 element)
{
    return __bfloat16_as_ushort(element);
}
