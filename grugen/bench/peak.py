"""How fast this machine can multiply and add, and read: measured, with the project's compiler.

A small C program runs chains of independent fused multiply-adds on registers, and sums over an
array; what cells reach is compared with that and not with numbers from a data sheet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cffi

from grugen.runtime.loading import open_library
from grugen.toolchain.build import SourceBundle, build

DECLARATIONS = """
double grugen_peak_flops(int32_t threads, double seconds);
double grugen_peak_bytes(int32_t threads, int64_t bytes, double seconds);
"""

SOURCE = r"""
#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#define WIDTH 16
#define CHAINS 24
#elif defined(__AVX__)
#define WIDTH 8
#define CHAINS 12
#else
#define WIDTH 4
#define CHAINS 12
#endif
typedef float vec __attribute__((vector_size(4 * WIDTH), aligned(4)));

/* operations of one thread in a second */
static double flops_of_one(double seconds) {
    vec sums[CHAINS];
    for (int i = 0; i < CHAINS; ++i) { sums[i] = (vec){0} + (float)i; }
    vec factor = (vec){0} + 0.5f;
    vec addend = (vec){0} + 1.0f;
    __asm__ volatile("" : "+x"(factor), "+x"(addend));
    const double start = omp_get_wtime();
    double now = start;
    int64_t rounds = 0;
    do {
        for (int k = 0; k < 10000; ++k) {
#pragma GCC unroll 24
            for (int i = 0; i < CHAINS; ++i) { sums[i] = sums[i] * factor + addend; }
        }
        rounds += 10000;
        now = omp_get_wtime();
    } while (now - start < seconds);
    vec all = sums[0];
    for (int i = 1; i < CHAINS; ++i) { all += sums[i]; }
    volatile float kept = all[0];
    (void)kept;
    return 2.0 * (double)rounds * CHAINS * WIDTH / (now - start);
}

double grugen_peak_flops(int32_t threads, double seconds) {
    double total = 0;
#pragma omp parallel num_threads(threads) reduction(+ : total)
    { total += flops_of_one(seconds); }
    return total;
}

/* bytes a second that all threads read, each its own part, again and again */
double grugen_peak_bytes(int32_t threads, int64_t bytes, double seconds) {
    const int64_t part = bytes / threads / (int64_t)(8 * sizeof(vec)) * 8;
    if (part < 8) { return 0; }
    double total = 0;
#pragma omp parallel num_threads(threads) reduction(+ : total)
    {
        float *memory = malloc((size_t)part * sizeof(vec) + 64);
        if (memory) {
            memset(memory, 0, (size_t)part * sizeof(vec));
            const vec *vectors = (const vec *)(((uintptr_t)memory + 63) / 64 * 64);
            vec sums[8] = {{0}};
            const double start = omp_get_wtime();
            double now = start;
            int64_t rounds = 0;
            do {
                for (int64_t k = 0; k + 8 <= part; k += 8) {
#pragma GCC unroll 8
                    for (int i = 0; i < 8; ++i) { sums[i] += vectors[k + i]; }
                }
                ++rounds;
                now = omp_get_wtime();
            } while (now - start < seconds);
            for (int i = 1; i < 8; ++i) { sums[0] += sums[i]; }
            volatile float kept = sums[0][0];
            (void)kept;
            total += (double)rounds * (double)part * sizeof(vec) / (now - start);
            free(memory);
        }
    }
    return total;
}
"""

SECONDS = 0.2


def _library() -> Any:
    ffi = cffi.FFI()
    ffi.cdef(DECLARATIONS)
    library = build(SourceBundle("grugen_peak", (("grugen_peak.c", SOURCE),)))
    return open_library(ffi, library)


def peak_gflops(threads: Iterable[int], seconds: float = SECONDS) -> dict[str, float]:
    """The float32 multiply-add peak in GFLOP/s by number of threads (as text): the best of five."""
    library = _library()
    return {
        str(count): max(library.grugen_peak_flops(count, seconds / 5) for _ in range(5)) / 1e9
        for count in threads
    }


def present_gflops(threads: int, seconds: float = SECONDS) -> float:
    """What `threads` reach together right now in GFLOP/s, with whatever else is running."""
    return float(_library().grugen_peak_flops(threads, seconds)) / 1e9


def read_gbytes(threads: int, size: int, seconds: float = SECONDS) -> float:
    """GB/s that `threads` read together from a working set of `size` bytes: the best of five."""
    library = _library()
    runs = (library.grugen_peak_bytes(threads, size, seconds / 5) for _ in range(5))
    return float(max(runs)) / 1e9
