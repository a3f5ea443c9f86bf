"""The cell of `leak` with kernels for a device, by hand: a thread for each unit of a sequence."""

from __future__ import annotations

import re
from typing import Any

import leak
import numpy as np
from emulated import build_emulated

from grugen.assets import templates_folder
from grugen.render.environment import environment
from grugen.render.views import HeaderView
from grugen.runtime import CellModule, CudaEngine, Engine, cuda_engine
from grugen.toolchain.build import SourceBundle

SUPPORT = ("grugen_stored.cuh", "grugen_memory.cuh", "grugen_host.cuh", "grugen_elements.cuh")


def _declarations() -> str:
    lines = []
    for line in leak.DECLARATIONS.splitlines():
        if "_needs" in line or "_threads(" in line:
            continue
        typed = f"int32_t {line[5:]}" if line.startswith("void STEM") else line
        typed = typed.replace("int32_t threads;", "int32_t regime;")
        lines.append(typed.replace("void *packed;", "void *packed; void *stream;"))
        if "_plan(" in line:
            told = line.replace("const char *", "int32_t ").replace("_plan(", "_tell(")
            lines.append(told.replace("call);", "call, char *text, int64_t size);"))
    host = environment().get_template("cuda/host_abi.h.j2").render(h=HeaderView((), "STEM", ()))
    return "\n".join([*lines, host])


HEADER = '#include <stdint.h>\nextern "C" {\n#include "STEM_abi.h"\n}\n'

# k = 777 asks for more shared memory than there is; k = 555 reports an error of an earlier kernel
KERNELS = """\
#include "STEM.h"
#include <cuda_runtime.h>
#define GRUGEN_REAL REAL
#define GRUGEN_STEM STEM
#include "grugen_memory.cuh"
#include "grugen_host.cuh"
#include "grugen_elements.cuh"

static __global__ void forward_kernel(const STEM_forward_call call, REAL *workspace)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int64_t T = call.T, B = call.B, D = call.dims.D_;
    if (at >= B * D) { return; }
    const int64_t b = at / D, d = at % D;
    const REAL w = call.packed ? static_cast<const REAL *>(call.packed)[d] : call.param.w[d];
    const int64_t end = call.lengths ? call.lengths[b] : T;
    REAL h = call.initial.h ? call.initial.h[at] : 0, f = call.initial.f ? call.initial.f[at] : 0;
    for (int64_t n = 0; n < T; ++n) {
        const int64_t t = n < end && call.reverse ? end - 1 - n : n;
        const int64_t i = (t * B + b) * D + d;
        if (n >= end) {
            call.output.y[i] = call.output.g[i] = 0;
            continue;
        }
        if (call.keep_tape) { call.tape.h[i] = h; }
        h = w * h + call.input.m[i] * call.input.x[i] + call.fixed.s_[at] * call.hyper.k
            + *call.param.b;
        f *= call.constant.c[d];
        call.output.y[i] = workspace[at] = h;
        call.output.g[i] = f;
    }
    call.final.h[at] = h;
    call.final.f[at] = f;
}

static __global__ void backward_kernel(const STEM_backward_call call)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int64_t T = call.T, B = call.B, D = call.dims.D_;
    if (at >= B * D) { return; }
    const int64_t b = at / D, d = at % D;
    const int64_t end = call.lengths ? call.lengths[b] : T;
    REAL dh = call.initial.h ? call.initial.h[at] : 0, ds = 0;
    REAL df = call.initial.f ? call.initial.f[at] : 0;
    for (int64_t n = 0; n < T; ++n) {
        const int64_t t = n < end && call.reverse ? end - 1 - n : n;
        const int64_t i = (t * B + b) * D + d;
        if (n >= end) {
            call.output.x[i] = 0;
            continue;
        }
        const REAL g = dh + call.output_gradient.y[i];
        atomicAdd(&call.total.w[d], g * call.tape_read.h[i]);
        atomicAdd(call.total.b, g);
        call.output.x[i] = g * call.input.m[i];
        ds += g * call.hyper.k;
        dh = g * call.param.w[d];
        df = (df + call.output_gradient.g[i]) * call.constant.c[d];
    }
    call.final.h[at] = dh;
    call.final.f[at] = df;
    call.sequence_sum.s_[at] = ds;
}

static grugen_launch launch_of(int64_t threads, void *stream)
{
    return {dim3((unsigned)((threads + 63) / 64)), 64, 0, false, grugen_stream(stream)};
}

extern "C" const char *STEM_forward_plan(const STEM_forward_call *call)
{
    return call->regime == 2 ? "grid" : "block";
}

extern "C" int64_t STEM_forward_workspace(const STEM_forward_call *call)
{
    if (call->hyper.k == 555) { return -(int64_t)cudaErrorLaunchFailure; }
    return call->B * call->dims.D_ * (int64_t)sizeof(REAL);
}

extern "C" int32_t STEM_forward(const STEM_forward_call *call)
{
    grugen_launch launch = launch_of(call->B * call->dims.D_, call->stream);
    if (call->hyper.k == 777) { launch.shared = 1 << 24; }
    return grugen_start(forward_kernel, launch, *call, static_cast<REAL *>(call->workspace));
}

extern "C" int64_t STEM_forward_packed_bytes(const STEM_forward_call *call)
{
    return call->dims.D_ * (int64_t)sizeof(REAL);
}

extern "C" int32_t STEM_forward_pack(const STEM_forward_call *call)
{
    const int64_t size = STEM_forward_packed_bytes(call);
    return STEM_copy(call->packed, call->param.w, size, call->stream);
}

extern "C" int64_t STEM_backward_packed_bytes(const STEM_backward_call *) { return 0; }

extern "C" int32_t STEM_backward_pack(const STEM_backward_call *) { return 0; }

extern "C" const char *STEM_backward_plan(const STEM_backward_call *) { return "block"; }

extern "C" int32_t STEM_forward_tell(const STEM_forward_call *, char *text, int64_t size)
{
    snprintf(text, (size_t)size, "STEM_forward_loop: all\\n");
    return 0;
}

extern "C" int32_t STEM_backward_tell(const STEM_backward_call *, char *text, int64_t)
{
    text[0] = 0;
    return 0;
}

extern "C" int64_t STEM_backward_workspace(const STEM_backward_call *) { return 0; }

extern "C" int32_t STEM_backward(const STEM_backward_call *call)
{
    const int64_t size = (int64_t)sizeof(REAL);
    int32_t error = STEM_fill_zero(call->total.w, call->dims.D_ * size, call->stream);
    if (error == 0) { error = STEM_fill_zero(call->total.b, size, call->stream); }
    if (error != 0) { return error; }
    return grugen_start(backward_kernel, launch_of(call->B * call->dims.D_, call->stream), *call);
}
"""


def bundle(dtype: str) -> SourceBundle:
    stem, real = leak.TYPES[dtype]
    texts = {".cu": KERNELS, ".h": HEADER, "_abi.h": _declarations()}
    own = [
        (f"{stem}{end}", re.sub(r"\bREAL\b", real, re.sub(r"\bSTEM", stem, text)))
        for end, text in texts.items()
    ]
    folder = templates_folder() / "cuda"
    return SourceBundle(stem, (*own, *((name, (folder / name).read_text()) for name in SUPPORT)))


def cuda(dtype: np.dtype[Any], regime: int = 0) -> CudaEngine:
    return cuda_engine(
        bundle(dtype.name), leak.INTERFACE, dtype, regime=regime, build_library=build_emulated
    )


def engine(target: str, dtype: np.dtype[Any]) -> Engine:
    return cuda(dtype) if target == "cuda" else leak.engine(target, dtype)


def module(target: str = "cuda") -> CellModule:
    return CellModule(leak.interface(target), engine, target)
