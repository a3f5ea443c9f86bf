"""Steps from specs, and runs of the interpreter with arguments by their spec names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grugen.ir import interpret
from grugen.ir.from_spec import lower_spec
from grugen.ir.nodes import Function, ResultRole
from grugen.source import SourceText
from grugen.spec import read_spec, read_text

Array = NDArray[Any]


def shipped(name: str) -> Function:
    """The forward step of a shipped cell."""
    return lower_spec(read_spec(name))


def step_of(text: str) -> Function:
    """The forward step of a spec."""
    return lower_spec(read_text(SourceText("cell.yaml", text)))


def random_arguments(
    step: Function, sizes: Mapping[str, int], steps: int, batch: int, seed: int = 0
) -> dict[str, Array]:
    """Normal numbers for every source, laid out as its role says."""
    rng = np.random.default_rng(seed)
    leading = {"input": (steps, batch), "static": (batch,), "state": (batch,)}
    return {
        source.key: rng.normal(
            size=leading.get(source.role, ()) + tuple(dim.size(sizes) for dim in source.type.shape)
        )
        for source in step.sources
    }


def run(
    step: Function, arguments: Mapping[str, Array], sizes: Mapping[str, int], **options: Any
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Outputs and last states; all arguments by name, the first input tells T and B."""
    given = {(s.role, s.key): np.asarray(arguments[s.key]) for s in step.sources}
    first = next(s for s in step.sources if s.role == "input")
    steps, batch = arguments[first.key].shape[:2]
    dtype = options.pop("dtype", np.dtype(np.float64))
    results = interpret.run(
        step, sizes=sizes, steps=steps, batch=batch, given=given, dtype=dtype, **options
    )
    outputs = {key: a for (role, key), a in results.items() if role is ResultRole.OUTPUT}
    states = {key: a for (role, key), a in results.items() if role is ResultRole.NEXT_STATE}
    return outputs, states
