"""The reference as an engine: both kernels run by the NumPy interpreter of the IR.

Slow and exact; it defines what every other engine must return.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from grugen.ir import interpret
from grugen.ir.from_spec import lower_spec
from grugen.ir.nodes import Function
from grugen.passes.pipeline import Steps, lower
from grugen.runtime.engine import KernelCall, Plan, Prepared, Repeated
from grugen.runtime.host_place import only_host
from grugen.runtime.places import Place
from grugen.spec.load import read_spec
from grugen.target.abi import group_of
from grugen.target.interface import constant_names


class InterpretedEngine:
    """A cell's two steps, interpreted."""

    target = "numpy"

    def __init__(self, steps: Steps, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._steps = steps

    def place(self, device: object, stream: object) -> Place:
        """See `Engine`."""
        return only_host(self.target, device, stream)

    def forward(self, call: KernelCall) -> Plan:
        """See `Engine`."""
        return self._run(self._steps.forward, call)

    def backward(self, call: KernelCall) -> Plan:
        """See `Engine`."""
        steps = self._steps
        return self._run(steps.backward_states if call.states_only else steps.backward, call)

    def repeated(self, call: KernelCall, *, backward: bool) -> Repeated | None:
        """See `Engine`; the interpreter takes longer than any call."""
        return None

    def packed_bytes(self, call: KernelCall) -> int:
        """See `Engine`; nothing is packed."""
        return 0

    def pack(self, call: KernelCall) -> None:
        """See `Engine`; nothing is packed."""

    def prepare(self, call: KernelCall) -> Prepared:
        """See `Engine`."""
        return Prepared(partial(self.forward, call), None)

    def _run(self, function: Function, call: KernelCall) -> Plan:
        results = interpret.run(
            function,
            sizes=call.common.sizes,
            steps=call.steps,
            batch=call.batch,
            given={
                # hypers are floats; as arrays of the dtype they do not widen float32
                (source.role, source.key): np.asarray(
                    call.argument((group_of(source.role), source.key)), self.dtype
                )
                for source in function.sources
            },
            lengths=call.lengths,
            reverse=call.reverse,
            dtype=self.dtype,
        )
        for (role, key), result in results.items():
            # a tape that nobody asked for has no place
            place = call.argument((group_of(role), key))
            if isinstance(place, np.ndarray):
                place[...] = result
        return Plan(self.target, 1)


def interpreted_engine(spec_file: Path, dtype: np.dtype[Any]) -> InterpretedEngine:
    """The engine of the spec in `spec_file`. Raises SpecError or SpecFileError."""
    spec = read_spec(spec_file)
    steps = lower(lower_spec(spec), constant_names(spec))
    return InterpretedEngine(steps, dtype)
