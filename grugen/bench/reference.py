"""What every engine has to compute: the float64 interpreter, and how far one may be from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grugen.bench.draw import Data
from grugen.bench.suites import BFLOAT16, FLOAT32
from grugen.runtime import CellModule

Results = dict[str, NDArray[Any]]
"""By names such as `output y`, `state h`, `d param W`, `d input x`."""

BOUND = 1e-4
"""The largest e(a) = max|a - ref| / max(1, max|ref|), section 4 of the design.

float32 sums of some ten thousand products end near 1e-6 to 1e-5; another convention of a gate, or
products in bfloat16, end above 1e-3.
"""
BOUNDS = {FLOAT32: BOUND, BFLOAT16: 5e-2}
"""The same by what is computed with. bfloat16 rounds by 4e-3, and a cell does so in every step."""

ROUNDINGS = 4.0
"""A cell may make much of a rounding error: then an engine may be so many times as far away as the
interpreter is in float32, section 4 of the design."""


def run_cell(
    module: CellModule, data: Data, target: str, dtype: str, *, train: bool, threads: int = 1
) -> Results:
    """All results of a forward, or of a forward and a backward pass, of one of grugen's targets."""
    settings: dict[str, Any] = {**data.sizes, **cast(data.constants, dtype)}
    cell = module.Cell(target=target, dtype=dtype, seed=0, **settings)
    cell.params.update(cast(data.params, dtype))
    arrays: dict[str, Any] = cast({**data.inputs, **data.static}, dtype)
    run = cell.forward(**arrays, lengths=data.lengths, tape=train, threads=threads)
    found = named("output", run.outputs) | named("state", run.states)
    if train:
        grads = cell.backward(run, outputs=cast(data.d_outputs, dtype), threads=threads)
        found |= named("d param", grads.params) | named("d input", grads.inputs)
    return found


def reference(module: CellModule, data: Data, *, train: bool) -> Results:
    """The results of the interpreter in float64 on the same float32 numbers."""
    return run_cell(module, data, "numpy", "float64", train=train)


def named(what: str, arrays: Mapping[str, NDArray[Any]]) -> Results:
    """Every array under `what NAME`."""
    return {f"{what} {name}": array for name, array in arrays.items()}


def cast(arrays: Mapping[str, NDArray[Any]], dtype: str) -> dict[str, NDArray[Any]]:
    """Contiguous arrays of `dtype`."""
    return {name: np.ascontiguousarray(array, dtype) for name, array in arrays.items()}


def distance(found: NDArray[Any], wanted: NDArray[Any]) -> float:
    """e(a); infinite where shapes differ or something is not finite."""
    if found.shape != wanted.shape:
        return float("inf")
    difference = np.abs(np.asarray(found, np.float64) - wanted)
    if not np.isfinite(difference).all():
        return float("inf")
    largest = float(np.abs(wanted).max(initial=0.0))
    return float(difference.max(initial=0.0)) / max(1.0, largest)


def comparable(found: Results, wanted: Results) -> Results:
    """`found`, without states where what tells right from wrong is a layer that hands out none.

    Every other tensor must be there: what an engine returned and nobody knows is an error.
    """
    kinds = ("state ", "d state ")
    if any(name.startswith(kinds) for name in wanted):
        return found
    return {name: array for name, array in found.items() if not name.startswith(kinds)}


def largest_error(found: Results, wanted: Results) -> tuple[float, str]:
    """The largest e(a) of all tensors that an engine returned, and which it is."""
    errors = [(distance(array, wanted[name]), name) for name, array in found.items()]
    return max(errors)


def verdict(
    found: Results, wanted: Results, bound: float, in_float32: Callable[[], Results]
) -> tuple[float, str]:
    """The largest e(a), and what is wrong: empty if nothing is.

    `in_float32` has what the interpreter finds in that type, empty if that would take too long. It
    is asked only where an engine is farther away than `bound`.
    """
    error, _ = largest_error(found, wanted)
    if error <= bound:
        return error, ""
    rounded = in_float32()
    for name, array in found.items():
        far = distance(array, wanted[name])
        of_float32 = distance(rounded[name], wanted[name]) if name in rounded else 0.0
        allowed = max(bound, ROUNDINGS * of_float32) if isfinite(of_float32) else bound
        if not far <= allowed:
            return error, f"'{name}' is {far:.1e} from the interpreter, {allowed:.0e} is allowed"
    return error, ""
