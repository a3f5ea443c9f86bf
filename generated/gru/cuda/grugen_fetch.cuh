// Copies from the device's memory to a block's shared memory that go on while its threads compute.
// A thread commits what it has started as a group, and waits for groups in their order.
#pragma once

#include <cuda_pipeline_primitives.h>
#include <stdint.h>

#include "grugen_stored.cuh"

enum { GRUGEN_WIDE = 16 / (int)sizeof(GRUGEN_REAL) }; // elements that a thread moves at once

// Start to copy an element; one that does not exist becomes a zero, and is not read.
__device__ __forceinline__ void
grugen_fetch(GRUGEN_REAL *to, const GRUGEN_REAL *from, bool is_there)
{
#ifdef GRUGEN_EMULATOR
    __pipeline_memcpy_async(to, from, sizeof(GRUGEN_REAL), is_there ? 0 : sizeof(GRUGEN_REAL));
#else
    const unsigned bytes = is_there ? (unsigned)sizeof(GRUGEN_REAL) : 0u;
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;"
                 :
                 : "r"((unsigned)__cvta_generic_to_shared(to)), "l"(from),
                   "n"(sizeof(GRUGEN_REAL)), "r"(bytes)
                 : "memory");
#endif
}

// An element of another type is converted on its way; it is there for others behind the same barrier.
template <class Element>
__device__ __forceinline__ void grugen_fetch(GRUGEN_REAL *to, const Element *from, bool is_there)
{
    *to = is_there ? grugen_real_of(*from) : (GRUGEN_REAL)0;
}

// Start to copy GRUGEN_WIDE elements that lie at a multiple of 16 bytes; the first `count` exist.
__device__ __forceinline__ void
grugen_fetch_aligned(GRUGEN_REAL *to, const GRUGEN_REAL *from, int count)
{
#ifdef GRUGEN_EMULATOR
    __pipeline_memcpy_async(to, from, 16, 16 - count * sizeof(GRUGEN_REAL));
#else
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"((unsigned)__cvta_generic_to_shared(to)), "l"(from),
                   "r"(count * (unsigned)sizeof(GRUGEN_REAL))
                 : "memory");
#endif
}

// The same for elements of another type, which are converted: read at once, if all of them exist.
template <class Element>
__device__ __forceinline__ void grugen_fetch_aligned(GRUGEN_REAL *to, const Element *from, int count)
{
    using some = grugen_elements_of<Element, GRUGEN_WIDE>;
    if (count == GRUGEN_WIDE) {
        const some found = *reinterpret_cast<const some *>(from);
#pragma unroll
        for (int e = 0; e < GRUGEN_WIDE; ++e) { to[e] = grugen_real_of(found.of[e]); }
        return;
    }
#pragma unroll
    for (int e = 0; e < GRUGEN_WIDE; ++e) { grugen_fetch(to + e, from + e, e < count); }
}

// Start to copy GRUGEN_WIDE elements, of which the first `count` exist: at once, if all do and lie
// so. Of some that exist the rest is nobody's to touch, not even by a copy that leaves it out.
template <class Element>
__device__ __forceinline__ void grugen_fetch_wide(GRUGEN_REAL *to, const Element *from, int count)
{
    const bool is_aligned =
        reinterpret_cast<uintptr_t>(from) % (GRUGEN_WIDE * sizeof(Element)) == 0;
    if (is_aligned && count >= GRUGEN_WIDE) {
        grugen_fetch_aligned(to, from, GRUGEN_WIDE);
        return;
    }
#pragma unroll
    for (int e = 0; e < GRUGEN_WIDE; ++e) { grugen_fetch(to + e, from + e, e < count); }
}
