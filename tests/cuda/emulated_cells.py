"""Cells on an emulated device whose memory is new for each array, just large enough, and NaN."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from calls import Call, Tensors, run
from emulated import QUICKLY, emulation, left_out
from emulator.build import Mode, Order, allocations, last_message, set_device, set_order

from grugen.driver import Compiled, bundle
from grugen.errors import DeviceError
from grugen.runtime import CellModule, CudaEngine, Engine, KernelCall, Plan, cuda_engine
from grugen.runtime.cuda.driver import Driver
from grugen.runtime.cuda.pool import DevicePool, Lease
from grugen.runtime.elements import element_type, name_of
from grugen.runtime.forward import Tape
from grugen.toolchain.build import SourceBundle

MODEL, BLOCK, GRID, STEPS, CLUSTER = range(5)
REGIMES = (BLOCK, GRID, STEPS, CLUSTER)
"""The ways to run a loop that a caller can ask for."""
WORDS = ("", "block", "grid", "steps", "cluster")
"""What a library calls the way in which it runs a loop; one that has none says `rows`."""


def products_of(element: str, regime: int) -> str:
    """What a yardstick calls the products inside of loops that run so."""
    return "bfloat16" if (element, regime) == ("bfloat16", GRID) else "ieee"


class ExactPool(DevicePool):
    """Memory of just the size that was asked for, as nobody has written it; none is kept."""

    def lend(self, size: int, device: int, stream: int) -> Lease:
        return Lease(_Nowhere(self._driver), self._driver.allocate(max(size, 1), device))


class _Nowhere(deque[int]):
    """A shelf that keeps nothing."""

    def __init__(self, driver: Driver) -> None:
        super().__init__()
        self._driver = driver

    def append(self, address: int) -> None:
        self._driver.release(address)


class Listening:
    """An engine that remembers how its last calls ran, and how their loops were cut."""

    def __init__(self, engine: CudaEngine) -> None:
        self._engine = engine
        self.heard: list[str] = []
        self.cuts: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def forward(self, call: KernelCall) -> Plan:
        return self._remember(self._engine.forward(call))

    def backward(self, call: KernelCall) -> Plan:
        return self._remember(self._engine.backward(call))

    def repeated(self, call: KernelCall, *, backward: bool) -> None:
        """Every call is to be heard."""

    def _remember(self, plan: Plan) -> Plan:
        self.heard.append(plan.name)
        self.cuts += plan.loops
        return plan


@dataclass(frozen=True, slots=True)
class Emulated:
    """The library of a cell and one element type, on a device that can be made small."""

    engine: CudaEngine
    listening: Listening
    module: CellModule
    library: Path
    heard: list[str] = field(default_factory=list)
    """How the kernels of the last run said that they ran."""

    def run(self, call: Call, *, regime: int = MODEL, tape: Tape = True) -> Tensors:
        """Forward and backward; fails with what the emulator has to say."""
        self.engine.regime = regime
        self.listening.heard.clear()
        self.listening.cuts.clear()
        with self.silence():
            return run(self.module, call, "cuda", name_of(self.engine.dtype), tape=tape)

    def message_of(self, call: Call, *, regime: int = MODEL, tape: Tape = True) -> str:
        """What the emulator says of the call; empty if all went well."""
        try:
            self.run(call, regime=regime, tape=tape)
        except AssertionError as error:
            return str(error)
        return ""

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Fails with the message of what goes wrong in the block, or if memory is left behind."""
        last_message(self.library)
        before = allocations(self.library)
        try:
            yield
        except DeviceError as error:
            raise AssertionError(last_message(self.library) or str(error)) from error
        message = last_message(self.library)
        assert not message, message
        assert allocations(self.library) == before, "memory of the device is not released"

    def device(self, processors: int, order: Order = Order.FORWARD, seed: int = 1) -> None:
        """From now on the device has so many processors, and threads go on in this order."""
        set_device(self.library, processors)
        set_order(self.library, order, seed)


def emulated(
    cell: Compiled,
    element: str,
    mode: Mode = "plain",
    sources: SourceBundle | None = None,
    flags: Sequence[str] = QUICKLY,
) -> Emulated:
    """A cell's library; `sources` are compiled in place of those that the driver makes."""
    reason = left_out()
    if reason:
        pytest.skip(reason)
    engine = cuda_engine(
        sources or bundle(cell, "cuda", element),
        cell.interface,
        element_type(element),
        build_library=emulation(mode, flags),
    )
    engine._pool = ExactPool(engine.driver)
    engine._default = engine._place(0, 0)
    listening = Listening(engine)

    def find(target: str, dtype: np.dtype[Any]) -> Engine:
        assert (target, dtype) == ("cuda", engine.dtype)
        return cast(Engine, listening)

    module = CellModule(cell.interface, find, "cuda", element)
    return Emulated(engine, listening, module, engine._file, listening.heard)
