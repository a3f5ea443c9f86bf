"""How long one step of a stream takes: seen from Python, and from C without any Python.

    python examples/bench/streaming.py gru gru_d --dim D=33 --dim H=64

A step is one call of the forward kernel with T = 1 on packed weights, with its states going in and
out. The C number is a loop in C around that call, built from the same sources with the same flags.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cffi
import numpy as np

import grugen
from grugen import driver
from grugen.runtime import Cell, Group, Stepper
from grugen.toolchain.build import SourceBundle, build

REPEATS = 15


@dataclass(frozen=True, slots=True)
class Timing:
    """Microseconds a step: the median of the repeats and the quickest."""

    median: float
    least: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("specs", nargs="*", default=["gru", "gru_d"], metavar="SPEC")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--dim", action="append", metavar="NAME=SIZE", help="default: D=33 H=64")
    parser.add_argument("--steps", type=int, default=20000, help="of each repeat")
    arguments = parser.parse_args()
    sizes = dict(size.split("=") for size in arguments.dim or ["D=33", "H=64"])
    print("| cell | batch | from Python, us a step | from C, us a step |")
    print("| --- | --- | --- | --- |")
    for spec in arguments.specs:
        cell = new_cell(spec, {name: int(size) for name, size in sizes.items()})
        python = timed(python_loop(cell.stepper(arguments.batch, threads=1)), arguments.steps)
        native = timed(c_loop(spec, cell, arguments.batch), arguments.steps)
        print(f"| {spec} | {arguments.batch} | {_shown(python)} | {_shown(native)} |")


def _shown(timing: Timing) -> str:
    return f"{timing.median:.2f} (least {timing.least:.2f})"


def timed(run: Callable[[int], None], steps: int) -> Timing:
    """`run(n)` runs n steps."""
    run(steps // 10 + 1)
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run(steps)
        found.append((time.perf_counter() - start) / steps * 1e6)
    return Timing(statistics.median(found), min(found))


def new_cell(spec: str, sizes: dict[str, int]) -> Cell:
    """A cell with constants of 0."""
    module = grugen.load(spec)
    found = {
        info.name: np.zeros([dim.size(sizes) for dim in info.shape], np.float32)
        for info in module.interface.constants
        if info.default is None
    }
    return module.Cell(seed=0, **{name: sizes[name] for name in module.interface.dims}, **found)


def python_loop(step: Stepper) -> Callable[[int], None]:
    """Steps on inputs that stay the same."""

    def run(steps: int) -> None:
        for _ in range(steps):
            step()

    return run


LOOP = """\
#include "{stem}.c"

void stream({stem}_forward_call *call, {stem}_forward_call *other, int64_t steps)
{{
    for (int64_t i = 0; i < steps; i += 2) {{
        {stem}_forward(call);
        {stem}_forward(other);
    }}
}}
"""


def c_loop(spec: str, cell: Cell, batch: int) -> Callable[[int], None]:
    """The same in C: two calls, each starting from the states that the other one wrote."""
    compiled = driver.compile_spec(spec)
    sources = driver.bundle(compiled, "openmp", "float32")
    stem = sources.stem
    files = (("stream.c", LOOP.format(stem=stem)), *sources.files)
    ffi = cffi.FFI()
    ffi.cdef(sources.text(f"{stem}_abi.h"))
    ffi.cdef(f"void stream({stem}_forward_call *, {stem}_forward_call *, int64_t);")
    library: Any = ffi.dlopen(str(build(SourceBundle("stream", files))))
    kept: list[Any] = []

    def memory(size: int) -> Any:
        kept.append(np.zeros(size + 64, np.uint8))
        start = ffi.from_buffer("char[]", kept[-1])
        return start + -int(ffi.cast("uintptr_t", start)) % 64

    call, other = (ffi.new(f"{stem}_forward_call *") for _ in range(2))
    for struct in (call, other):
        struct.T, struct.B, struct.threads = 1, batch, 1
        for dim in compiled.interface.dims:
            setattr(struct.dims, dim, cell.dims[dim])
    for argument in compiled.interface.forward.arguments:
        group, field = argument.group, argument.field
        if group is Group.TAPE:
            continue
        size = 4 * batch * int(np.prod([dim.size(cell.dims) for dim in argument.shape]))
        for struct in (call, other):
            if group is Group.HYPER:
                setattr(struct.hyper, field, dict(compiled.interface.hyper)[argument.key])
                continue
            if group is Group.PARAM:
                place = ffi.from_buffer("float *", cell.params[argument.key])
            else:
                place = ffi.cast("float *", memory(size))
            setattr(getattr(struct, group), field, place)
    for state in (a.field for a in compiled.interface.forward.arguments if a.group is Group.FINAL):
        setattr(other.initial, state, getattr(call.final, state))
        setattr(call.initial, state, getattr(other.final, state))
    packed = memory(getattr(library, f"{stem}_forward_packed_bytes")(call))
    for struct in (call, other):
        struct.packed = packed
        struct.workspace = memory(getattr(library, f"{stem}_forward_workspace")(struct))
    getattr(library, f"{stem}_forward_pack")(call)

    def run(steps: int) -> None:
        assert kept
        library.stream(call, other, steps)

    return run


if __name__ == "__main__":
    main()
