"""Splits the time of a call by component, and says how much the clocks themselves cost."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grugen.bench.draw import Data, draw
from grugen.bench.probe import Build, Probe, build_of
from grugen.bench.suites import Case
from grugen.driver import Compiled
from grugen.runtime import Cell

LARGEST_COST = 1.10
"""The instrumented build may take this many times as long as the plain one."""


@dataclass(frozen=True, slots=True)
class KernelProfile:
    """One kernel: means over the calls that other programs disturbed least.

    `components` are seconds of all threads together, in the order in which the code has them;
    `instrumented` and `plain` are the seconds of a whole call as its caller sees them.
    """

    kernel: str
    components: Mapping[str, float]
    instrumented: float
    plain: float

    @property
    def cost(self) -> float:
        """How many times as long the instrumented build takes."""
        return self.instrumented / self.plain

    def elsewhere(self, threads: int) -> float:
        """Thread seconds that are in no component: starting, waiting, checking, allocating."""
        return max(0.0, self.instrumented * threads - sum(self.components.values()))


@dataclass(frozen=True, slots=True)
class _Calls:
    """A cell and the two calls that are timed."""

    cell: Cell
    data: Data
    train: bool
    threads: int

    def forward(self) -> Any:
        arrays: dict[str, Any] = {**self.data.inputs, **self.data.static}
        return self.cell.forward(**arrays, tape=self.train, threads=self.threads)

    def backward(self, run: Any) -> None:
        self.cell.backward(run, outputs=self.data.d_outputs, threads=self.threads)


def profile(
    compiled: Compiled, case: Case, threads: int, repeats: int
) -> tuple[KernelProfile, ...]:
    """Profile the forward kernel and, in training, the backward kernel."""
    data = draw(case, compiled.interface)
    train = case.mode == "training"
    plain, clocked = (build_of(compiled, instrumented=which) for which in (False, True))
    probes = {
        kernel: Probe(clocked.library, f"{clocked.stem}_{kernel}")
        for kernel in (("forward", "backward") if train else ("forward",))
    }
    calls = {
        name: _calls(build, data, train, threads)
        for name, build in (("plain", plain), ("clocked", clocked))
    }
    walls: dict[tuple[str, str], list[float]] = {}
    parts: dict[str, list[Mapping[str, float]]] = {kernel: [] for kernel in probes}
    for number in range(repeats + 1):
        # by turns, and every other time the other way about
        for name in ("plain", "clocked")[:: 1 if number % 2 else -1]:
            for kernel, seconds in _timed(calls[name], probes if name == "clocked" else {}, parts):
                walls.setdefault((name, kernel), []).append(seconds)
    return tuple(
        _summary(kernel, walls["plain", kernel], walls["clocked", kernel], parts[kernel])
        for kernel in probes
    )


def _summary(
    kernel: str, plain: list[float], clocked: list[float], parts: list[Mapping[str, float]]
) -> KernelProfile:
    """What the fastest calls of each build say; components of the very calls that are counted."""
    # the first round brings data and threads to their places
    fastest = _fastest(clocked[1:])
    chosen = [parts[1:][i] for i in fastest]
    return KernelProfile(
        kernel,
        {name: statistics.fmean(found[name] for found in chosen) for name in parts[0]},
        statistics.fmean(clocked[1:][i] for i in fastest),
        statistics.fmean(plain[1:][i] for i in _fastest(plain[1:])),
    )


def _fastest(seconds: list[float]) -> list[int]:
    """Which calls are the fastest tenth, at least one."""
    order = sorted(range(len(seconds)), key=seconds.__getitem__)
    return order[: max(1, len(seconds) // 10)]


def _calls(build: Build, data: Data, train: bool, threads: int) -> _Calls:
    settings: dict[str, Any] = {**data.sizes, **data.constants}
    cell = build.module.Cell(seed=0, dtype="float32", **settings)
    cell.params.update(data.params)
    return _Calls(cell, data, train, threads)


def _timed(
    calls: _Calls, probes: Mapping[str, Probe], parts: dict[str, list[Mapping[str, float]]]
) -> list[tuple[str, float]]:
    """Run each kernel once; the seconds of each, and what its clocks say into `parts`."""
    run: list[Any] = []
    kernels: list[tuple[str, Callable[[], Any]]] = [
        ("forward", lambda: run.append(calls.forward()))
    ]
    if calls.train:
        kernels.append(("backward", lambda: calls.backward(run[0])))
    found = []
    for kernel, call in kernels:
        probe = probes.get(kernel)
        if probe:
            probe.reset()
        start = time.perf_counter()
        call()
        found.append((kernel, time.perf_counter() - start))
        if probe:
            parts[kernel].append(probe.seconds())
    return found
