"""Splits the time of a call on a GPU by part of its kernel.

The parts are measured between launches by the device's events, what blocks wait for each other by
their own clocks; see `grugen.bench.device_clocks`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from grugen.bench.cells import markdown, microseconds
from grugen.bench.device_clocks import DeviceClocks, Part, instrumented, with_clocks
from grugen.bench.draw import Data, draw
from grugen.bench.profiling import KernelProfile
from grugen.bench.suites import Case
from grugen.driver import Compiled, bundle
from grugen.runtime import Cell, CellModule, cuda_engine
from grugen.runtime.cuda.engine import CudaEngine
from grugen.runtime.loading import Build
from grugen.toolchain.build import DEFAULTS, BuildOptions, build

IN_A_ROW = 10
"""Calls of the plain build that are timed together."""

FLOAT32 = np.dtype(np.float32)
DEVICE = "cuda:0"


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """One kernel. `parts` are seconds between launches, medians over the calls, in their order.

    `row` is a call of the plain build among several in a row, `carried` one with NumPy's arrays,
    which are brought to the device and fetched from it; `plan` is the way its loops ran.
    """

    kernel: str
    plan: str
    parts: Mapping[str, float]
    row: float
    carried: float

    @property
    def total(self) -> float:
        """All parts together."""
        return sum(self.parts.values())

    def as_kernel(self) -> KernelProfile:
        """What pictures show."""
        return KernelProfile(f"{self.kernel} ({self.plan})", self.parts, self.total, self.row)


@dataclass(frozen=True, slots=True)
class _Calls:
    """A cell of one build, and what its calls are given, on the device and on the host."""

    cell: Cell
    data: Data
    train: bool
    arrays: Mapping[str, Any]
    d_outputs: Mapping[str, Any]
    settle: Callable[[], None]

    def forward(self, carried: bool = False) -> Any:
        arrays = {**self.data.inputs, **self.data.static} if carried else self.arrays
        return self.cell.forward(**arrays, lengths=self.data.lengths, tape=self.train)

    def backward(self, run: Any, carried: bool = False) -> Any:
        return self.cell.backward(run, outputs=self.data.d_outputs if carried else self.d_outputs)


def device_profile(
    compiled: Compiled,
    case: Case,
    repeats: int,
    build_library: Build = build,
    options: BuildOptions = DEFAULTS,
    regime: int = 0,
) -> tuple[DeviceProfile, ...]:
    """Profile the forward kernel and, in training, the backward kernel, float32.

    Raises ToolchainError, DeviceError.
    """
    data = draw(case, compiled.interface)
    train = case.mode == "training"
    sources = bundle(compiled, "cuda", FLOAT32.name)
    clocked = with_clocks(sources)
    with_them = instrumented(options)
    clocks = DeviceClocks(build_library(clocked, with_them))
    engines = (
        cuda_engine(
            texts, compiled.interface, FLOAT32, how, regime=regime, build_library=build_library
        )
        for texts, how in ((clocked, with_them), (sources, options))
    )
    timed, plain = (_calls(compiled, engine, data, train) for engine in engines)
    found: dict[str, list[tuple[Part, ...]]] = {}
    plans: dict[str, str] = {}
    # the first round makes events and memory
    for number in range(repeats + 1):
        run: Any = None
        for kernel in ("forward", "backward") if train else ("forward",):
            clocks.reset()
            done = timed.forward() if run is None else timed.backward(run)
            parts = clocks.read()
            if number:
                found.setdefault(kernel, []).append(parts)
            run, plans[kernel] = done, done.plan.name
    rows = _walls(plain, train)
    return tuple(
        DeviceProfile(
            kernel,
            plans[kernel],
            _medians(calls, f"{sources.stem}_{kernel}_"),
            *rows[kernel],
        )
        for kernel, calls in found.items()
    )


def _calls(compiled: Compiled, engine: CudaEngine, data: Data, train: bool) -> _Calls:
    place = engine.place(DEVICE, None)
    module = CellModule(compiled.interface, lambda *_: engine, "cuda")
    settings: dict[str, Any] = {**data.sizes, **data.constants}
    cell = module.Cell(seed=0, dtype="float32", **settings)
    cell.params.update(data.params)

    def there(arrays: Mapping[str, Any]) -> dict[str, Any]:
        return {name: place.copy_of(name, array) for name, array in arrays.items()}

    inputs = there({**data.inputs, **data.static})
    d_outputs = there(data.d_outputs)
    return _Calls(
        cell.to(DEVICE), data, train, inputs, d_outputs, lambda: place.settle("a profiled call")
    )


def _walls(calls: _Calls, train: bool) -> dict[str, tuple[float, float]]:
    """Seconds of a call in a row, and of one that carries its arrays, by kernel."""
    found = {
        "forward": (
            _in_a_row(calls.forward, calls.settle),
            _in_a_row(lambda: calls.forward(True), calls.settle),
        )
    }
    if train:
        run, carried = calls.forward(), calls.forward(True)
        found["backward"] = (
            _in_a_row(lambda: calls.backward(run), calls.settle),
            _in_a_row(lambda: calls.backward(carried, True), calls.settle),
        )
    return found


def _in_a_row(call: Callable[[], Any], settle: Callable[[], None]) -> float:
    samples = []
    for _ in range(4):
        settle()
        start = time.perf_counter()
        for _ in range(IN_A_ROW):
            call()
        settle()
        samples.append((time.perf_counter() - start) / IN_A_ROW)
    return statistics.median(samples[1:])


def _medians(calls: list[tuple[Part, ...]], prefix: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for i, part in enumerate(calls[0]):
        name = component_name(part.name.removeprefix(prefix))
        waiting = statistics.median(parts[i].waiting for parts in calls)
        seconds = statistics.median(parts[i].seconds for parts in calls)
        found[name] = seconds - waiting
        if waiting:
            found[f"{name}, blocks wait"] = waiting
    return found


def component_name(mark: str) -> str:
    """What a reader calls the part behind a mark: `recurrence: h`, `hoisted: 1_ahead` ..."""
    if mark.startswith("step_"):
        return f"recurrence: {mark.removeprefix('step_')}"
    if mark[:1].isdigit():
        return f"hoisted: {mark}"
    return mark if mark in ("packing", "past the end") else f"totals: {mark}"


def device_profile_text(case: Case, profiles: tuple[DeviceProfile, ...]) -> str:
    """A table: one line a part, with its microseconds and its share; below it whole calls."""
    rows = [
        [one.kernel, name, microseconds(seconds), f"{seconds / (one.total or 1):.1%}"]
        for one in profiles
        for name, seconds in one.parts.items()
    ]
    table = markdown(["kernel", "part", "us", "share"], rows)
    return "\n".join([f"{case}, cuda", "", table, "", *_sums(profiles), ""])


def _sums(profiles: tuple[DeviceProfile, ...]) -> Iterator[str]:
    for one in profiles:
        yield (
            f"{one.kernel} ({one.plan}): {microseconds(one.total)} us in all parts; a call in a "
            f"row takes {microseconds(one.row)} us, with NumPy's arrays carried to the GPU and "
            f"back {microseconds(one.carried)} us"
        )
