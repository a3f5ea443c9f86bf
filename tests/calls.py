"""Random calls of a cell: parameters, inputs, gradients, and what must never be read.

All numbers are rounded to float32 and held as float64, so that every element type starts from the
same data. A call may be `stored` in a type that has fewer numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grugen.runtime import Cell, CellModule, Run
from grugen.runtime.elements import computed_type, element_type, rounded
from grugen.runtime.forward import Tape
from grugen.spec.dims import Shape
from grugen.target.abi import ArrayInfo, Interface

Array = NDArray[np.float64]
Arrays = Mapping[str, Array]
Tensors = dict[str, NDArray]
"""Everything a run and its gradients return, by names such as `output y` and `d param W`."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """All arguments of one forward and one backward call; inputs that are left out have a default.

    Inputs and gradients of outputs are NaN past the ends of sequences.
    """

    sizes: Mapping[str, int]
    steps: int
    batch: int
    fixed: Mapping[str, Array | float]
    params: Arrays
    inputs: Arrays
    static: Arrays
    states: Arrays
    lengths: NDArray[np.int64] | None
    reverse: bool
    d_outputs: Arrays
    d_states: Arrays

    def __str__(self) -> str:
        sizes = " ".join(f"{name}={size}" for name, size in self.sizes.items())
        ends = "all" if self.lengths is None else self.lengths.tolist()
        return (
            f"T={self.steps} B={self.batch} {sizes} lengths={ends} reverse={self.reverse} "
            f"inputs={list(self.inputs)} states={list(self.states)} "
            f"d_outputs={list(self.d_outputs)} d_states={list(self.d_states)}"
        )


def stored(call: Call, dtype: str) -> Call:
    """The call with the numbers that arrays of `dtype` hold; states are float32 at least."""

    def fewer(arrays: Mapping[str, Any]) -> dict[str, Any]:
        element = element_type(dtype)
        return {
            name: rounded(value, element).astype(np.float64)
            if isinstance(value, np.ndarray)
            else value
            for name, value in arrays.items()
        }

    if dtype != "bfloat16":
        return call
    groups = ("fixed", "params", "inputs", "static", "d_outputs")
    return replace(call, **{group: fewer(getattr(call, group)) for group in groups})


def random_call(
    interface: Interface,
    rng: np.random.Generator,
    *,
    sizes: Mapping[str, int],
    steps: int,
    batch: int,
    gaps: Iterable[tuple[str, str]] = (),
    everything: bool = False,
) -> Call:
    """A call of these sizes; entries of x are NaN or infinite where m is 0, for (x, m) in `gaps`.

    `everything` leaves nothing to defaults and asks for all gradients.
    """
    maker = _Maker(rng, sizes, everything)
    lengths = None if rng.random() < 0.4 else rng.integers(0, steps + 1, batch)
    inputs = maker.arrays(interface.inputs, (steps, batch))
    if interface.inputs and not inputs:
        required = replace(interface.inputs[0], default=None)
        inputs = maker.arrays((required,), (steps, batch))
    static = maker.arrays(interface.static, (batch,))
    for masked, mask in gaps:
        group = inputs if masked in inputs else static
        infos = {info.name: info for info in (*interface.inputs, *interface.static)}
        observed = group.get(mask, infos[mask].default)
        group[masked] = maker.with_gaps(group[masked], observed)
    d_outputs = {
        info.name: maker.normal((steps, batch), info.shape)
        for info in interface.outputs
        if everything or rng.random() < 0.8
    }
    for array in (*inputs.values(), *d_outputs.values()):
        _forbid_past_the_end(array, lengths)
    return Call(
        sizes=dict(sizes),
        steps=steps,
        batch=batch,
        fixed={
            **{info.name: maker.weights(info.shape) for info in interface.constants},
            **{name: float(maker.rounded(rng.uniform(0.5, 2.0))) for name, _ in interface.hyper},
        },
        params={info.name: maker.weights(info.shape) for info in interface.params},
        inputs=inputs,
        static=static,
        states={
            info.name: maker.uniform((batch,), info.shape)
            for info in interface.states
            if everything or rng.random() < 0.6
        },
        lengths=lengths,
        reverse=bool(rng.random() < 0.4),
        d_outputs=d_outputs,
        d_states={
            info.name: maker.normal((batch,), info.shape)
            for info in interface.states
            if everything or rng.random() < 0.6
        },
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    rng: np.random.Generator
    sizes: Mapping[str, int]
    everything: bool

    def rounded(self, values: object) -> Array:
        return np.asarray(values, np.float32).astype(np.float64)

    def full(self, leading: tuple[int, ...], shape: Shape) -> tuple[int, ...]:
        return leading + tuple(dim.size(self.sizes) for dim in shape)

    def normal(self, leading: tuple[int, ...], shape: Shape) -> Array:
        return self.rounded(np.clip(self.rng.normal(size=self.full(leading, shape)), -2, 2))

    def uniform(self, leading: tuple[int, ...], shape: Shape) -> Array:
        return self.rounded(self.rng.uniform(-1, 1, self.full(leading, shape)))

    def weights(self, shape: Shape) -> Array:
        """A matrix that makes nothing larger, or numbers from -1 to 1."""
        values = self.uniform((), shape)
        return self.rounded(values / np.sqrt(values.shape[1])) if len(shape) == 2 else values

    def arrays(self, infos: Iterable[ArrayInfo], leading: tuple[int, ...]) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for info in infos:
            if info.default is not None and not self.everything and self.rng.random() < 0.4:
                continue
            found[info.name] = self.normal(leading, info.shape)
            if info.mask:
                found[info.name] = (found[info.name] > 0).astype(np.float64)
        return found

    def with_gaps(self, values: Array, observed: object) -> Array:
        """Positive where `observed`; NaN, or anything, where not."""
        present = np.broadcast_to(np.asarray(observed) > 0, values.shape)
        nothing = self.rng.choice([np.nan, np.nan, np.inf, -np.inf, -1.0], values.shape)
        return np.where(present, self.rounded(np.abs(values) + 0.5), nothing)


def _forbid_past_the_end(array: Array, lengths: NDArray[np.int64] | None) -> None:
    if lengths is not None:
        past = np.arange(array.shape[0])[:, None] >= lengths
        array[past] = np.nan


def run(
    module: CellModule,
    call: Call,
    target: str,
    dtype: str,
    threads: int | None = None,
    tape: Tape = True,
) -> Tensors:
    """Forward and backward through the public interface."""
    cell, result = run_forward(module, call, target, dtype, threads, tape)
    grads = cell.backward(
        result,
        outputs=_cast(call.d_outputs, dtype),
        states=_cast_states(call.d_states, dtype),
        threads=threads,
    )
    groups: dict[str, Mapping[str, NDArray]] = {
        "output": result.outputs,
        "state": result.states,
        "d param": grads.params,
        "d input": grads.inputs,
        "d static": grads.static,
        "d state": grads.states,
    }
    return {f"{what} {name}": a for what, group in groups.items() for name, a in group.items()}


def run_forward(
    module: CellModule,
    call: Call,
    target: str,
    dtype: str,
    threads: int | None = None,
    tape: Tape = True,
) -> tuple[Cell, Run]:
    """The cell with the call's parameters, and its run."""
    arrays = {name: v for name, v in call.fixed.items() if isinstance(v, np.ndarray)}
    settings = {**call.sizes, **call.fixed, **_cast(arrays, dtype)}
    cell = module.Cell(target=target, dtype=dtype, seed=0, **settings)
    cell.params.update(_cast(call.params, dtype))
    result = cell.forward(
        states=_cast_states(call.states, dtype),
        lengths=call.lengths,
        reverse=call.reverse,
        tape=tape,
        threads=threads,
        **_cast(call.inputs, dtype),
        **_cast(call.static, dtype),
    )
    return cell, result


def _cast(arrays: Arrays, dtype: str) -> dict[str, NDArray]:
    return {name: rounded(array, element_type(dtype)) for name, array in arrays.items()}


def _cast_states(arrays: Arrays, dtype: str) -> dict[str, NDArray]:
    return _cast(arrays, computed_type(element_type(dtype)).name)
