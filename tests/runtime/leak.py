"""A small cell made by hand in every form: spec, interface, C kernels. It needs no renderer.

h' = w * h + m * x + s * k + b      y = h'
f' = f * c                          g = f'        f starts as x does
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from grugen.ir.from_spec import lower_spec
from grugen.passes.pipeline import Steps, lower
from grugen.runtime import (
    Argument,
    ArrayInfo,
    CellModule,
    Dim,
    Engine,
    Group,
    Interface,
    InterpretedEngine,
    OutputInfo,
    ParamInfo,
    ParamInit,
    Signature,
    StateInfo,
    StateInit,
    compiled_engine,
)
from grugen.source import SourceText
from grugen.spec.load import read_text
from grugen.target.abi import signature_of
from grugen.target.interface import constant_names
from grugen.toolchain.build import BuildOptions, SourceBundle

SPEC = """\
spec: 1
name: leak
inputs:
  x: [D]
  m: {shape: [D], role: mask, default: 1}
static:
  s: {shape: [D], default: 0}
constants:
  c: [D]
hyper:
  k: 0.5
states:
  h: [D]
  f: {shape: [D], init: first(x)}
params:
  w: {shape: [D], init: uniform(1/sqrt(D))}
  b: {shape: [], init: normal(0.1)}
equations: |
  h' = w * h + m * x + s * k + b
  f' = f * c
outputs: {y: h', g: f'}
"""

D = (Dim.named("D"),)


def _signature(*arguments: tuple[Group, str]) -> Signature:
    scalars = {"k", "b"}
    return Signature(
        tuple(
            Argument(group, key, () if key in scalars else D, f"{key}_" if key == "s" else key)
            for group, key in arguments
        )
    )


INTERFACE = Interface(
    name="leak",
    doc="",
    dims=("D",),
    inputs=(ArrayInfo("x", D), ArrayInfo("m", D, mask=True, gradient=False, default=1.0)),
    static=(ArrayInfo("s", D, default=0.0),),
    constants=(ArrayInfo("c", D),),
    hyper=(("k", 0.5),),
    states=(StateInfo("h", D, StateInit()), StateInfo("f", D, StateInit(first="x"))),
    params=(
        ParamInfo("w", D, ParamInit("uniform", ("1/sqrt(D)",))),
        ParamInfo("b", (), ParamInit("normal", ("0.1",))),
    ),
    outputs=(OutputInfo("y", D), OutputInfo("g", D)),
    forward=_signature(
        (Group.INPUT, "x"),
        (Group.INPUT, "m"),
        (Group.STATIC, "s"),
        (Group.CONSTANT, "c"),
        (Group.HYPER, "k"),
        (Group.PARAM, "w"),
        (Group.PARAM, "b"),
        (Group.INITIAL, "h"),
        (Group.INITIAL, "f"),
        (Group.FINAL, "h"),
        (Group.FINAL, "f"),
        (Group.OUTPUT, "y"),
        (Group.OUTPUT, "g"),
        (Group.TAPE, "h"),
    ),
    backward=_signature(
        (Group.INPUT, "m"),
        (Group.TAPE_READ, "h"),
        (Group.OUTPUT_GRADIENT, "y"),
        (Group.OUTPUT_GRADIENT, "g"),
        (Group.CONSTANT, "c"),
        (Group.HYPER, "k"),
        (Group.PARAM, "w"),
        (Group.INITIAL, "h"),
        (Group.INITIAL, "f"),
        (Group.FINAL, "h"),
        (Group.FINAL, "f"),
        (Group.OUTPUT, "x"),
        (Group.SEQUENCE_SUM, "s"),
        (Group.TOTAL, "w"),
        (Group.TOTAL, "b"),
    ),
)

# the dim is called D_ in C, as it would be if D clashed with something
DECLARATIONS = """\
extern const char STEM_needs[];
typedef struct STEM_forward_call {
    int64_t T;
    int64_t B;
    struct { int64_t D_; } dims;
    const int64_t *lengths;
    int32_t reverse;
    int32_t keep_tape;
    int32_t threads;
    struct { const REAL *x; const REAL *m; } input;
    struct { const REAL *s_; } fixed;
    struct { const REAL *c; } constant;
    struct { REAL k; } hyper;
    struct { const REAL *w; const REAL *b; } param;
    struct { const REAL *h; const REAL *f; } initial;
    struct { REAL *h; REAL *f; } final;
    struct { REAL *y; REAL *g; } output;
    struct { REAL *h; } tape;
    void *workspace;
    void *packed;
} STEM_forward_call;
int64_t STEM_forward_workspace(const STEM_forward_call *call);
int64_t STEM_forward_packed_bytes(const STEM_forward_call *call);
void STEM_forward_pack(const STEM_forward_call *call);
int32_t STEM_forward(const STEM_forward_call *call);
const char *STEM_forward_plan(const STEM_forward_call *call);
int64_t STEM_forward_threads(const STEM_forward_call *call);
typedef struct STEM_backward_call {
    int64_t T;
    int64_t B;
    struct { int64_t D_; } dims;
    const int64_t *lengths;
    int32_t reverse;
    int32_t keep_tape;
    int32_t threads;
    struct { const REAL *m; } input;
    struct { const REAL *h; } tape_read;
    struct { const REAL *y; const REAL *g; } output_gradient;
    struct { const REAL *c; } constant;
    struct { REAL k; } hyper;
    struct { const REAL *w; } param;
    struct { const REAL *h; const REAL *f; } initial;
    struct { REAL *h; REAL *f; } final;
    struct { REAL *x; } output;
    struct { REAL *s_; } sequence_sum;
    struct { REAL *w; REAL *b; } total;
    void *workspace;
    void *packed;
} STEM_backward_call;
int64_t STEM_backward_workspace(const STEM_backward_call *call);
int64_t STEM_backward_packed_bytes(const STEM_backward_call *call);
void STEM_backward_pack(const STEM_backward_call *call);
int32_t STEM_backward(const STEM_backward_call *call);
const char *STEM_backward_plan(const STEM_backward_call *call);
int64_t STEM_backward_threads(const STEM_backward_call *call);
"""

HEADER = """\
#include <stdint.h>
#include "STEM_abi.h"
"""

# k = 777 waits until another thread writes x[0]: only without the interpreter lock can it end well
KERNELS = """\
#define _POSIX_C_SOURCE 199309L
#include "STEM.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char STEM_needs[] = "";

static void use_workspace(void *workspace, int64_t size) {
    if ((uintptr_t)workspace % 64 != 0) abort();
    memset(workspace, 0xff, (size_t)size);
}

static void wait_for_writer(const volatile REAL *flag) {
    const struct timespec pause = {0, 1000000};
    for (int i = 0; *flag == 0 && i < 3000; ++i) nanosleep(&pause, NULL);
}

const char *STEM_forward_plan(const STEM_forward_call *call) {
    return call->threads > 1 ? "rows" : "serial";
}

int64_t STEM_forward_threads(const STEM_forward_call *call) {
    return call->threads;
}

int64_t STEM_forward_workspace(const STEM_forward_call *call) {
    return call->B * call->dims.D_ * (int64_t)sizeof(REAL);
}

int32_t STEM_forward(const STEM_forward_call *call) {
    const int64_t T = call->T, B = call->B, D = call->dims.D_;
    use_workspace(call->workspace, STEM_forward_workspace(call));
    const REAL *const w = call->packed != NULL ? call->packed : call->param.w;
    if (call->hyper.k == 777) wait_for_writer(call->input.x);
    for (int64_t b = 0; b < B; ++b) {
        const int64_t end = call->lengths ? call->lengths[b] : T;
        REAL *const h = call->final.h + b * D;
        REAL *const f = call->final.f + b * D;
        memcpy(h, call->initial.h + b * D, (size_t)D * sizeof(REAL));
        memcpy(f, call->initial.f + b * D, (size_t)D * sizeof(REAL));
        for (int64_t n = 0; n < T; ++n) {
            const int64_t t = n < end && call->reverse ? end - 1 - n : n;
            for (int64_t d = 0; d < D; ++d) {
                const int64_t i = (t * B + b) * D + d;
                if (n >= end) {
                    call->output.y[i] = call->output.g[i] = 0;
                    continue;
                }
                if (call->keep_tape) call->tape.h[i] = h[d];
                h[d] = w[d] * h[d] + call->input.m[i] * call->input.x[i]
                     + call->fixed.s_[b * D + d] * call->hyper.k + *call->param.b;
                f[d] *= call->constant.c[d];
                call->output.y[i] = h[d];
                call->output.g[i] = f[d];
            }
        }
    }
    return call->threads;
}

int64_t STEM_forward_packed_bytes(const STEM_forward_call *call) {
    return call->dims.D_ * (int64_t)sizeof(REAL);
}

void STEM_forward_pack(const STEM_forward_call *call) {
    if ((uintptr_t)call->packed % 64 != 0) abort();
    memcpy(call->packed, call->param.w, (size_t)STEM_forward_packed_bytes(call));
}

int64_t STEM_backward_packed_bytes(const STEM_backward_call *call) {
    (void)call;
    return 0;
}

void STEM_backward_pack(const STEM_backward_call *call) {
    (void)call;
}

const char *STEM_backward_plan(const STEM_backward_call *call) {
    return call->threads > 1 ? "rows" : "serial";
}

int64_t STEM_backward_threads(const STEM_backward_call *call) {
    return call->threads;
}

int64_t STEM_backward_workspace(const STEM_backward_call *call) {
    return call->dims.D_;
}

int32_t STEM_backward(const STEM_backward_call *call) {
    const int64_t T = call->T, B = call->B, D = call->dims.D_;
    use_workspace(call->workspace, STEM_backward_workspace(call));
    memset(call->total.w, 0, (size_t)D * sizeof(REAL));
    *call->total.b = 0;
    for (int64_t b = 0; b < B; ++b) {
        const int64_t end = call->lengths ? call->lengths[b] : T;
        REAL *const dh = call->final.h + b * D;
        REAL *const df = call->final.f + b * D;
        REAL *const ds = call->sequence_sum.s_ + b * D;
        memset(ds, 0, (size_t)D * sizeof(REAL));
        memcpy(dh, call->initial.h + b * D, (size_t)D * sizeof(REAL));
        memcpy(df, call->initial.f + b * D, (size_t)D * sizeof(REAL));
        for (int64_t n = 0; n < T; ++n) {
            const int64_t t = n < end && call->reverse ? end - 1 - n : n;
            for (int64_t d = 0; d < D; ++d) {
                const int64_t i = (t * B + b) * D + d;
                if (n >= end) {
                    call->output.x[i] = 0;
                    continue;
                }
                const REAL g = dh[d] + call->output_gradient.y[i];
                call->total.w[d] += g * call->tape_read.h[i];
                *call->total.b += g;
                call->output.x[i] = g * call->input.m[i];
                ds[d] += g * call->hyper.k;
                dh[d] = g * call->param.w[d];
                df[d] = (df[d] + call->output_gradient.g[i]) * call->constant.c[d];
            }
        }
    }
    return call->threads;
}
"""

TYPES = {"float32": ("leak_f32", "float"), "float64": ("leak_f64", "double")}


def bundle(dtype: str) -> SourceBundle:
    stem, real = TYPES[dtype]
    texts = {"": KERNELS, ".h": HEADER, "_abi.h": DECLARATIONS}
    return SourceBundle(
        stem,
        tuple(
            (f"{stem}{end or '.c'}", text.replace("STEM", stem).replace("REAL", real))
            for end, text in texts.items()
        ),
    )


def steps() -> Steps:
    spec = read_text(SourceText("leak.yaml", SPEC))
    return lower(lower_spec(spec), constant_names(spec))


def engine(target: str, dtype: np.dtype[Any]) -> Engine:
    if target == "numpy":
        both = steps()
        return InterpretedEngine(both, dtype)
    options = BuildOptions(extra=("-Werror",))
    return compiled_engine(bundle(dtype.name), INTERFACE, target, dtype, options)


def interface(target: str) -> Interface:
    """With the signatures that the target's kernels have."""
    if target != "numpy":
        return INTERFACE
    both = steps()
    return dataclasses.replace(
        INTERFACE,
        forward=signature_of(both.forward),
        backward=signature_of(both.backward),
        backward_states=signature_of(both.backward_states),
    )


def module(target: str) -> CellModule:
    return CellModule(interface(target), engine, target)
