"""What a GPU is, and how fast it can multiply and add: measured by a small kernel of its own.

    python -m grugen.bench.device_peak            prints both as JSON
    python -m grugen.bench.device_peak torch      what torch says, and the rate of its products

Each in a process of its own: one that breaks takes nothing else with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import cffi

from grugen.runtime.loading import open_library
from grugen.toolchain.build import SourceBundle, build

DECLARATIONS = """
int32_t grugen_peak_facts(char *name, int64_t size, int64_t *numbers);
int32_t grugen_peak_fma(int64_t rounds, double *flops);
const char *grugen_peak_error(int32_t error);
"""
FACTS = ("capability", "processors", "memory GB", "L2 MB", "cuda driver", "cuda runtime")

SOURCE = r"""
#include <cuda_runtime.h>
#include <stdint.h>

#include <cstdio>

enum { CHAINS = 16, UNROLLED = 32, THREADS = 256 };

#define TRY(call) \
    do { \
        const cudaError_t error = (call); \
        if (error != cudaSuccess) { return (int32_t)error; } \
    } while (0)

// Chains of multiply-adds that do not wait for each other, on registers.
static __global__ void __launch_bounds__(THREADS)
chains(float factor, float addend, int64_t rounds, float *kept)
{
    float sums[CHAINS];
    for (int i = 0; i < CHAINS; ++i) { sums[i] = (float)(threadIdx.x + i); }
    for (int64_t round = 0; round < rounds; ++round) {
#pragma unroll
        for (int k = 0; k < UNROLLED; ++k) {
#pragma unroll
            for (int i = 0; i < CHAINS; ++i) { sums[i] = fmaf(sums[i], factor, addend); }
        }
    }
    float all = 0;
    for (int i = 0; i < CHAINS; ++i) { all += sums[i]; }
    // never true, but that is not known before
    if (all == 12345.678f) { kept[threadIdx.x] = all; }
}

extern "C" int32_t grugen_peak_facts(char *name, int64_t size, int64_t *numbers)
{
    cudaDeviceProp properties;
    TRY(cudaGetDeviceProperties(&properties, 0));
    int driver = 0, runtime = 0;
    TRY(cudaDriverGetVersion(&driver));
    TRY(cudaRuntimeGetVersion(&runtime));
    snprintf(name, (size_t)size, "%s", properties.name);
    numbers[0] = 10 * properties.major + properties.minor;
    numbers[1] = properties.multiProcessorCount;
    numbers[2] = (int64_t)(properties.totalGlobalMem / 1000000000);
    numbers[3] = properties.l2CacheSize / 1000000;
    numbers[4] = driver;
    numbers[5] = runtime;
    return 0;
}

// Operations a second of one launch over the whole device.
extern "C" int32_t grugen_peak_fma(int64_t rounds, double *flops)
{
    int processors = 0;
    TRY(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0));
    float *kept = nullptr;
    TRY(cudaMalloc(&kept, THREADS * sizeof(float)));
    cudaEvent_t begin, end;
    TRY(cudaEventCreate(&begin));
    TRY(cudaEventCreate(&end));
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3((unsigned)processors * 8);
    config.blockDim = dim3(THREADS);
    TRY(cudaEventRecord(begin, nullptr));
    TRY(cudaLaunchKernelEx(&config, chains, 0.5f, 1.0f, rounds, kept));
    TRY(cudaEventRecord(end, nullptr));
    TRY(cudaEventSynchronize(end));
    float milliseconds = 0;
    TRY(cudaEventElapsedTime(&milliseconds, begin, end));
    const double threads = (double)processors * 8 * THREADS;
    *flops = 2.0 * threads * CHAINS * UNROLLED * (double)rounds / ((double)milliseconds / 1e3);
    TRY(cudaEventDestroy(begin));
    TRY(cudaEventDestroy(end));
    return (int32_t)cudaFree(kept);
}

extern "C" const char *grugen_peak_error(int32_t error)
{
    return cudaGetErrorString((cudaError_t)error);
}
"""

ROUNDS = 8000
"""Some ten milliseconds of multiply-adds."""
PRODUCT = 8192
ASK_SECONDS = 240.0

Build = Callable[[SourceBundle], Path]


def device_facts(build_library: Build = build, rounds: int = ROUNDS) -> dict[str, Any]:
    """`gpu`: what device 0 is; `peak`: GFLOP/s of float32 multiply-adds, the best of five.

    Raises ToolchainError where nothing can be built, RuntimeError for what CUDA says.
    """
    ffi = cffi.FFI()
    ffi.cdef(DECLARATIONS)
    bundle = SourceBundle("grugen_device_peak", (("grugen_device_peak.cu", SOURCE),))
    library = open_library(ffi, build_library(bundle))
    string: Any = ffi.string

    def check(error: int) -> None:
        if error:
            raise RuntimeError(string(library.grugen_peak_error(error)).decode())

    name, numbers, flops = ffi.new("char[256]"), ffi.new("int64_t[6]"), ffi.new("double *")
    check(library.grugen_peak_facts(name, 256, numbers))
    rates = []
    for _ in range(6):
        check(library.grugen_peak_fma(rounds, flops))
        rates.append(flops[0] / 1e9)
    facts = dict(zip(FACTS, (int(number) for number in numbers), strict=True))
    gpu = {"name": string(name).decode()} | {key: str(fact) for key, fact in facts.items()}
    return {"gpu": gpu, "peak": {"fma": max(rates[1:])}}


def torch_facts() -> dict[str, Any]:
    """The versions of torch and cuDNN, and GFLOP/s of a product of float32 without TF32."""
    torch = import_module("torch")
    import_module("grugen.bench.engines.torch_cuda").exact()
    a, b = (torch.randn(PRODUCT, PRODUCT, device="cuda") for _ in range(2))
    rates = []
    for _ in range(4):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        torch.mm(a, b)
        end.record()
        end.synchronize()
        rates.append(2 * PRODUCT**3 / (begin.elapsed_time(end) / 1e3) / 1e9)
    gpu = {"torch": torch.__version__, "cudnn": str(torch.backends.cudnn.version())}
    return {"gpu": gpu, "peak": {f"torch.mm {PRODUCT}": max(rates[1:])}}


def asked(seconds: float = ASK_SECONDS, *, torch: bool = True) -> dict[str, Any]:
    """All that can be found out, by processes of their own; what failed is under `problems`."""
    found: dict[str, Any] = {"gpu": {}, "peak": {}, "problems": []}
    for words in ([], ["torch"]) if torch else ([],):
        told = _told([sys.executable, "-m", "grugen.bench.device_peak", *words], seconds)
        try:
            one = json.loads(told)
            found["gpu"] |= one["gpu"]
            found["peak"] |= one["peak"]
        except (ValueError, KeyError, TypeError):
            found["problems"].append(told[-500:])
    driver = _told(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], 60)
    if "\n" not in driver and driver.replace(".", "").isdigit():
        found["gpu"]["driver"] = driver
    return found


def _told(command: Sequence[str], seconds: float) -> str:
    """What a program prints, or what went wrong."""
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=seconds,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip() or "no answer"


def main(words: Sequence[str]) -> None:
    """Print the facts."""
    print(json.dumps(torch_facts() if "torch" in words else device_facts()))


if __name__ == "__main__":
    main(sys.argv[1:])
