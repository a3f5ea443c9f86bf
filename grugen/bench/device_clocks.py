"""Clocks for kernels of target `cuda`: a header that is included before, and what reads them.

At each mark of the host's function an event of the device is recorded; between two marks lie the
launches of one part of the kernel. Blocks that wait for each other add up their cycles, by part.
In an instrumented build a call begins with a kernel that only waits, so that all launches are
queued before the first one runs, and no part has the time that the host takes for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cffi

from grugen.runtime.loading import open_library
from grugen.toolchain.build import DEFAULTS, BuildOptions, SourceBundle

HEADER = "grugen_clocks.cuh"
EXTRA = ("-include", HEADER)
INSTRUMENTED = replace(DEFAULTS, extra=EXTRA)

DECLARATIONS = """
void grugen_clocks_reset(void);
int32_t grugen_clocks_count(void);
const char *grugen_clocks_name(int32_t part);
int32_t grugen_clocks_read(double *seconds, double *waiting, double *whole);
"""

SOURCE = r"""
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

enum { GRUGEN_MOST_PARTS = 64, GRUGEN_MOST_BLOCKS = 4096 };

// The part that runs; cycles that the first threads of blocks waited, and that they took for all of
// their steps; when each block met the others last.
static __device__ int grugen_part_now;
static __device__ unsigned long long grugen_waited[GRUGEN_MOST_PARTS];
static __device__ unsigned long long grugen_spent[GRUGEN_MOST_PARTS];
static __device__ long long grugen_met_last[GRUGEN_MOST_BLOCKS];

static __device__ inline void grugen_note_meeting(long long begun)
{
    const long long now = clock64();
    if (threadIdx.x > 0 || blockIdx.x >= GRUGEN_MOST_BLOCKS) { return; }
    const long long last = grugen_met_last[blockIdx.x];
    grugen_met_last[blockIdx.x] = now;
    // the first meeting of a kernel only begins the count
    if (last == 0) { return; }
    atomicAdd(&grugen_waited[grugen_part_now], (unsigned long long)(now - begun));
    atomicAdd(&grugen_spent[grugen_part_now], (unsigned long long)(now - last));
}

#define GRUGEN_MEETING_BEGINS const long long grugen_begun = clock64();
#define GRUGEN_MEETING_ENDS grugen_note_meeting(grugen_begun);

static __global__ void grugen_choose_part(int part)
{
    const int thread = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (thread == 0) { grugen_part_now = part; }
    for (int i = thread; i < GRUGEN_MOST_BLOCKS; i += (int)(gridDim.x * blockDim.x)) {
        grugen_met_last[i] = 0;
    }
}

static __global__ void grugen_clear_parts()
{
    grugen_waited[threadIdx.x] = 0;
    grugen_spent[threadIdx.x] = 0;
}

static __global__ void grugen_hold(long long cycles)
{
#ifndef GRUGEN_EMULATOR
    const long long begun = clock64();
    while (clock64() - begun < cycles) { __nanosleep(100); }
#else
    (void)cycles;
#endif
}

// The waiting and spent cycles of all parts.
static __global__ void grugen_tell_parts(unsigned long long *told)
{
    told[threadIdx.x] = grugen_waited[threadIdx.x];
    told[GRUGEN_MOST_PARTS + threadIdx.x] = grugen_spent[threadIdx.x];
}

namespace grugen_clocks {
struct part { const char *name; cudaEvent_t begin, end; };
static part parts[GRUGEN_MOST_PARTS];
static int count = 0, made = 0;
static bool open = false;
static cudaError_t failure = cudaSuccess;

static inline void note(cudaError_t error)
{
    if (failure == cudaSuccess) { failure = error; }
}

template <class... Parameters>
static inline void
start(cudaStream_t stream, unsigned threads, void (*kernel)(Parameters...), Parameters... given)
{
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(1);
    config.blockDim = dim3(threads);
    config.stream = stream;
    note(cudaLaunchKernelEx(&config, kernel, given...));
}

static inline void mark(cudaStream_t stream, const char *name)
{
    if (open) { note(cudaEventRecord(parts[count - 1].end, stream)); }
    open = name != nullptr && count < GRUGEN_MOST_PARTS;
    if (!open) { return; }
    if (count == 0) {
        start(stream, GRUGEN_MOST_PARTS, grugen_clear_parts);
        // half a millisecond at 2 GHz
        start(stream, 1u, grugen_hold, 1000000LL);
    }
    for (; made <= count; ++made) {
        note(cudaEventCreate(&parts[made].begin));
        note(cudaEventCreate(&parts[made].end));
    }
    start(stream, 256u, grugen_choose_part, count);
    parts[count].name = name;
    note(cudaEventRecord(parts[count].begin, stream));
    ++count;
}
}

#define GRUGEN_MARK(stream, name) grugen_clocks::mark(stream, name)

extern "C" __attribute__((visibility("default"))) void grugen_clocks_reset(void)
{
    grugen_clocks::count = 0;
    grugen_clocks::open = false;
    grugen_clocks::failure = cudaSuccess;
}

extern "C" __attribute__((visibility("default"))) int32_t grugen_clocks_count(void)
{
    return grugen_clocks::count;
}

extern "C" __attribute__((visibility("default"))) const char *grugen_clocks_name(int32_t part)
{
    return grugen_clocks::parts[part].name;
}

// Seconds of each part, those that its blocks waited in the mean, and of all parts together; 0, or
// an error of CUDA.
extern "C" __attribute__((visibility("default"))) int32_t
grugen_clocks_read(double *seconds, double *waiting, double *whole)
{
    using namespace grugen_clocks;
    static unsigned long long found[2 * GRUGEN_MOST_PARTS];
    unsigned long long *told = nullptr;
    note(cudaDeviceSynchronize());
    note(cudaMalloc(&told, sizeof found));
    if (failure != cudaSuccess) { return (int32_t)failure; }
    start(nullptr, GRUGEN_MOST_PARTS, grugen_tell_parts, told);
    note(cudaMemcpy(found, told, sizeof found, cudaMemcpyDeviceToHost));
    note(cudaFree(told));
    *whole = 0;
    for (int i = 0; i < count && failure == cudaSuccess; ++i) {
        float milliseconds = 0;
        note(cudaEventElapsedTime(&milliseconds, parts[i].begin, parts[i].end));
        seconds[i] = (double)milliseconds / 1e3;
        const double spent = (double)found[GRUGEN_MOST_PARTS + i];
        waiting[i] = spent > 0 ? seconds[i] * (double)found[i] / spent : 0;
        *whole += seconds[i];
    }
    return (int32_t)failure;
}
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a kernel: its seconds, and how many of them its blocks waited for each other."""

    name: str
    seconds: float
    waiting: float


class DeviceClocks:
    """The clocks in an instrumented library, of one call at a time."""

    def __init__(self, library: Path) -> None:
        """Raises AttributeError where the library has no clocks."""
        self._ffi = cffi.FFI()
        self._ffi.cdef(DECLARATIONS)
        self._library = open_library(self._ffi, library)
        self._reset: Any = self._library.grugen_clocks_reset

    def reset(self) -> None:
        """Before a call."""
        self._reset()

    def read(self) -> tuple[Part, ...]:
        """The parts of the last call, in their order; waits for the device."""
        count = self._library.grugen_clocks_count()
        seconds, waiting = (self._ffi.new("double[]", count + 1) for _ in range(2))
        whole = self._ffi.new("double *")
        error = self._library.grugen_clocks_read(seconds, waiting, whole)
        if error:
            raise RuntimeError(f"the device's clocks failed: error {error} of CUDA")
        string: Any = self._ffi.string
        return tuple(
            Part(
                string(self._library.grugen_clocks_name(i)).decode(),
                float(seconds[i]),
                float(waiting[i]),
            )
            for i in range(count)
        )


def with_clocks(bundle: SourceBundle) -> SourceBundle:
    """The bundle with the header; to be built with INSTRUMENTED options."""
    return SourceBundle(bundle.stem, (*bundle.files, (HEADER, SOURCE)))


def instrumented(options: BuildOptions = DEFAULTS) -> BuildOptions:
    """Options that include the header."""
    return replace(options, extra=(*options.extra, *EXTRA))
