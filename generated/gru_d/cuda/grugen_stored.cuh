// Elements as memory keeps them, GRUGEN_STORED: those of the caller's arrays, but for states, and of
// packed matrices. Everything is computed, summed up and carried from step to step in GRUGEN_REAL.
#pragma once

#include <cuda_runtime.h>
#include <string.h>

// An element as a number to compute with; our own memory has such numbers already.
__host__ __device__ __forceinline__ GRUGEN_REAL grugen_real_of(GRUGEN_REAL element)
{
    return element;
}

// A header that comes before this one may say that elements are something else.
#ifndef GRUGEN_STORED
#define GRUGEN_STORED GRUGEN_REAL
constexpr bool GRUGEN_CONVERTS = false;

__host__ __device__ __forceinline__ GRUGEN_REAL grugen_stored_of(GRUGEN_REAL number)
{
    return number;
}
#endif

// Elements that are read at once.
template <class Element, int COUNT>
struct alignas(COUNT * sizeof(Element)) grugen_elements_of {
    Element of[COUNT];
};

// Elements as they lie in memory: short ones as one word, where a compiler would read them one by one.
template <class Element, int COUNT>
__device__ __forceinline__ grugen_elements_of<Element, COUNT>
grugen_read(const grugen_elements_of<Element, COUNT> *from)
{
    if constexpr (sizeof(Element) < 4 && sizeof(*from) == sizeof(uint2)) {
        const uint2 words = *reinterpret_cast<const uint2 *>(from);
        grugen_elements_of<Element, COUNT> elements;
        memcpy(&elements, &words, sizeof elements);
        return elements;
    } else {
        return *from;
    }
}

template <class Element>
using grugen_four_of = grugen_elements_of<Element, 4>;

using grugen_four = grugen_four_of<GRUGEN_REAL>;
using grugen_stored_four = grugen_four_of<GRUGEN_STORED>;

template <class Element>
__device__ __forceinline__ grugen_four grugen_reals_of(const grugen_four_of<Element> &elements)
{
    grugen_four reals;
#pragma unroll
    for (int e = 0; e < 4; ++e) { reals.of[e] = grugen_real_of(elements.of[e]); }
    return reals;
}
