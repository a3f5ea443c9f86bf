"""The numbers of a case: parameters, inputs and gradients, the same for every engine.

Matrices are drawn so that they make nothing larger; inputs without a gradient that are no masks,
such as time gaps, are positive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grugen.bench.suites import BFLOAT16, FLOAT32, Case
from grugen.errors import UsageError
from grugen.spec.dims import Shape
from grugen.target.abi import ArrayInfo, Interface

Array = NDArray[np.float32]
SEED = 2018


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """All arrays of a case; `d_outputs` are the gradients of a loss with respect to the outputs.

    `lengths` (B) are those of the sequences, None if all have every step. `numbers` is that of the
    case: with bfloat16 every element is a number that it has.
    """

    sizes: Mapping[str, int]
    params: Mapping[str, Array]
    inputs: Mapping[str, Array]
    static: Mapping[str, Array]
    constants: Mapping[str, Array]
    d_outputs: Mapping[str, Array]
    lengths: NDArray[np.int64] | None = None
    numbers: str = FLOAT32


GROUPS = ("params", "inputs", "static", "constants", "d_outputs")


def sizes_of(case: Case, interface: Interface) -> dict[str, int]:
    """The sizes of the dims by name; UsageError where the shape has too few or too many."""
    if len(case.sizes) != len(interface.dims):
        shape = ",".join(["T", "B", *interface.dims])
        raise UsageError(
            f"the shape {case.shape} does not fit '{interface.name}'\nhelp: its shapes are {shape}"
        )
    return dict(zip(interface.dims, case.sizes, strict=True))


def draw(case: Case, interface: Interface) -> Data:
    """Draw everything; the same numbers for equal cases on every machine."""
    sizes = sizes_of(case, interface)
    rng = np.random.default_rng(SEED)

    def full(leading: tuple[int, ...], shape: Shape) -> tuple[int, ...]:
        return leading + tuple(dim.size(sizes) for dim in shape)

    def told(drawn: NDArray[Any]) -> Array:
        array = np.asarray(drawn, np.float32)
        return rounded(array) if case.numbers == BFLOAT16 else array

    def weights(shape: Shape) -> Array:
        drawn = rng.uniform(-1, 1, full((), shape)) / np.sqrt(full((), shape)[-1] if shape else 1)
        return told(drawn)

    def values(infos: Iterable[ArrayInfo], leading: tuple[int, ...]) -> dict[str, Array]:
        return {info.name: told(_values(rng, info, full(leading, info.shape))) for info in infos}

    return Data(
        sizes=sizes,
        params={info.name: weights(info.shape) for info in interface.params},
        inputs=values(interface.inputs, (case.steps, case.batch)),
        static=values(interface.static, (case.batch,)),
        constants=values(interface.constants, ()),
        d_outputs={
            info.name: told(rng.normal(size=full((case.steps, case.batch), info.shape)))
            for info in interface.outputs
        },
        lengths=rng.integers(1, case.steps + 1, case.batch) if case.ragged else None,
        numbers=case.numbers,
    )


def rounded(array: Array) -> Array:
    """Finite numbers as bfloat16 has them, to the nearest, of two the even one."""
    bits = array.view(np.uint32)
    even = bits >> 16 & 1
    return ((bits + 0x7FFF + even) & np.uint32(0xFFFF0000)).view(np.float32)


def _values(rng: np.random.Generator, info: ArrayInfo, shape: tuple[int, ...]) -> Array:
    drawn = rng.normal(size=shape)
    if info.mask:
        return np.asarray(drawn > 0, np.float32)
    return np.asarray(drawn if info.gradient else np.abs(drawn), np.float32)


def save(data: Data, file: Path) -> None:
    """Write the arrays for another process."""
    arrays = {
        f"{group} {name}": array for group in GROUPS for name, array in getattr(data, group).items()
    }
    sizes: dict[str, NDArray[Any]] = {
        f"sizes {name}": np.array(size) for name, size in data.sizes.items()
    }
    if data.lengths is not None:
        sizes["lengths "] = data.lengths
    sizes["numbers "] = np.array(data.numbers)
    np.savez(file, allow_pickle=False, **arrays, **sizes)


def restore(file: Path) -> Data:
    """What `save` wrote."""
    groups: dict[str, dict[str, Array]] = {group: {} for group in GROUPS}
    sizes: dict[str, int] = {}
    lengths = None
    numbers = FLOAT32
    with np.load(file, allow_pickle=False) as saved:
        for key in saved.files:
            group, _, name = key.partition(" ")
            if group == "sizes":
                sizes[name] = int(saved[key])
            elif group == "lengths":
                lengths = saved[key]
            elif group == "numbers":
                numbers = str(saved[key])
            else:
                groups[group][name] = saved[key]
    return Data(sizes=sizes, lengths=lengths, numbers=numbers, **groups)
