// Copies from the device's memory to a block's shared memory that go on while its threads compute.
// A thread commits what it has started as a group, and waits for groups in their order.
#pragma once

#include <cuda_pipeline_primitives.h>
#include <stdint.h>

#include "grugen_stored.cuh"

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
