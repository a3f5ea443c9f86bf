"""Measures all engines on one case: build, compare, then time them by turns."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np

from grugen.bench.crew import Crew, Passing
from grugen.bench.draw import Data, draw, save
from grugen.bench.flops import flops_of, loop_bytes
from grugen.bench.peak import present_gflops, read_gbytes
from grugen.bench.reference import BOUNDS, Results, comparable, reference, run_cell, verdict
from grugen.bench.results import CaseResult, Measurement
from grugen.bench.roster import REFERENCE, Entry
from grugen.bench.stats import times_of
from grugen.bench.suites import Case
from grugen.bench.workers import Failed, Order, Skipped, TooSlow, Worker
from grugen.driver import Compiled, compile_spec, load

REFERENCE_SECONDS = 60.0

SAMPLE_SECONDS = 0.005
"""Calls that are shorter are timed several in a row."""

REST_SECONDS = 0.03
"""Between two samples: threads of the last engine that spin after their work come to rest."""

MOST_INTERPRETED = 60e9
"""Operations of a case on a GPU, up to which the interpreter says what is right."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: at most `repeats` samples, and about `seconds` for each engine.

    An engine that takes more than `build_seconds` to get ready is left out, and so it is at later
    cases of the same cell with as many steps: `slow` remembers.
    """

    repeats: int
    seconds: float
    build_seconds: float
    slow: dict[tuple[str, str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Runner:
    """An engine at a number of threads."""

    entry: Entry
    threads: int


@dataclass(slots=True)
class _Running:
    """An engine that is built and right, and its samples so far."""

    runner: Runner
    worker: Worker
    error: float
    calls: int = 1
    spent: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def sample(self) -> None:
        start = time.perf_counter()
        expected = self.seconds[-1] if self.seconds else 0.0
        self.seconds.append(self.worker.seconds(self.calls, expected))
        self.spent += time.perf_counter() - start


@dataclass(frozen=True, slots=True)
class _Trial:
    """A case whose engines are being built: its numbers, also in `file`, and what is right.

    `in_float32` has what the interpreter finds in float32, or nothing if that would take too long.
    """

    case: Case
    data: Data
    file: Path
    wanted: Callable[[], Results]
    in_float32: Callable[[], Results]
    effort: Effort
    crew: Crew


def measure(
    case: Case, runners: Sequence[Runner], effort: Effort, say: Say, crew: Crew | None = None
) -> CaseResult:
    """Build every engine, compare it with the interpreter, and time those that are right.

    With a crew that works on a GPU all engines are built at the same time.
    """
    crew = crew or Passing()
    compiled = compile_spec(case.spec)
    data = draw(case, compiled.interface)
    train = case.mode == "training"
    threads = max(runner.threads for runner in runners)
    on_cpu = not crew.on_device
    present = present_gflops(threads) if on_cpu else 0.0
    able = [
        runner
        for runner in runners
        if (runner.entry.training or not train)
        and (runner.entry.ragged or not case.ragged)
        and case.numbers in runner.entry.numbers
    ]
    found: list[Measurement] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="grugen-bench-")))
        file = folder / "case.npz"
        save(data, file)
        pool = stack.enter_context(ThreadPoolExecutor(1 if on_cpu else 2 + len(able)))
        wanted = pool.submit(_wanted, case, compiled, data, file, crew)
        if on_cpu:
            wanted.result()
        in_float32 = cache(partial(_in_float32, case, compiled, data, crew))
        trial = _Trial(case, data, file, wanted.result, in_float32, effort, crew)
        running: list[_Running] = []
        for runner, started in zip(able, pool.map(partial(_start, trial), able), strict=True):
            if isinstance(started, _Running):
                running.append(started)
            else:
                found.append(started)
                say(f"  {runner.entry.name}: {started.status}, {started.reason}")
        try:
            found += _time(running, effort)
        finally:
            for one in running:
                crew.leave(one.worker)
    steps = compiled.steps
    weights = loop_bytes(steps.forward, data.sizes)
    by_runner = {(one.engine, one.threads): one for one in found}
    order_of = [(runner.entry.name, runner.threads) for runner in runners]
    return CaseResult(
        spec=case.spec,
        steps=case.steps,
        batch=case.batch,
        sizes=case.sizes,
        mode=case.mode,
        flops=flops_of(steps, data, case),
        loop_bytes=weights,
        read_gbytes=read_gbytes(threads, weights) if on_cpu and case.batch == 1 else 0.0,
        fma_gflops=present,
        engines=tuple(by_runner[key] for key in order_of if key in by_runner),
        ragged=case.ragged,
        beside=case.beside,
        numbers=case.numbers,
    )


def _wanted(case: Case, compiled: Compiled, data: Data, file: Path, crew: Crew) -> Results:
    """What is right: by the interpreter, or where that takes too long by a layer in float64.

    Raises Skipped or Failed where there is no such layer.
    """
    train = case.mode == "training"
    if case.ragged or _is_interpreted(case, compiled, data, crew):
        return reference(load(case.spec), data, train=train)
    worker = crew.hire(Order(REFERENCE, case.spec, file, train, 1), REFERENCE_SECONDS)
    right = file.with_name("right.npz")
    worker.results(right)
    crew.leave(worker)
    with np.load(right, allow_pickle=False) as results:
        return dict(results)


def _in_float32(case: Case, compiled: Compiled, data: Data, crew: Crew) -> Results:
    """What the interpreter finds in float32; nothing where it would take too long."""
    if not _is_interpreted(case, compiled, data, crew):
        return {}
    return run_cell(load(case.spec), data, "numpy", "float32", train=case.mode == "training")


def _is_interpreted(case: Case, compiled: Compiled, data: Data, crew: Crew) -> bool:
    return not crew.on_device or flops_of(compiled.steps, data, case) <= MOST_INTERPRETED


def _start(trial: _Trial, runner: Runner) -> _Running | Measurement:
    """An engine that is ready to be timed, or why it is not."""
    case, effort = trial.case, trial.effort
    name = runner.entry.name
    key = name, case.spec, case.mode
    if case.steps >= effort.slow.get(key, case.steps + 1):
        reason = f"it did not get ready within {effort.build_seconds:.0f} s at an earlier shape"
        return Measurement(name, runner.threads, "skipped", reason)
    try:
        order = Order(runner.entry, case.spec, trial.file, case.mode == "training", runner.threads)
        worker = trial.crew.hire(order, effort.build_seconds)
    except Skipped as error:
        if isinstance(error, TooSlow):
            effort.slow[key] = case.steps
        return Measurement(name, runner.threads, "skipped", str(error))
    except Failed as error:
        return Measurement(name, runner.threads, "failed", str(error))
    file = trial.file.with_name(f"results-{runner.entry.name}-{runner.threads}.npz")
    try:
        worker.results(file)
    except Failed as error:
        worker.close()
        return Measurement(name, runner.threads, "failed", str(error))
    try:
        wanted = trial.wanted()
    except (Failed, Skipped) as error:
        trial.crew.leave(worker)
        return Measurement(name, runner.threads, "failed", f"nothing to compare with: {error}")
    with np.load(file, allow_pickle=False) as results:
        found = comparable(dict(results), wanted)
        distance, reason = verdict(found, wanted, BOUNDS[case.numbers], trial.in_float32)
    file.unlink()
    if reason:
        trial.crew.leave(worker)
        return Measurement(name, runner.threads, "wrong", reason, distance)
    return _Running(runner, worker, distance)


def _time(running: Sequence[_Running], effort: Effort) -> list[Measurement]:
    """Sample by turns, so that what else the machine does falls on all alike."""
    failures: list[Measurement] = []
    active = list(running)
    for one in running:
        _guard(one, active, failures)
        if one.seconds:
            one.calls = max(1, round(SAMPLE_SECONDS / max(one.seconds[0], 1e-9)))
    for one in active:
        # the first sample only told how long a call takes, if many calls are needed for one
        if one.calls > 1:
            one.seconds.clear()
    for number in range(effort.repeats):
        # every other round the other way about
        for one in active[:: 1 if number % 2 == 0 else -1]:
            if one.spent < effort.seconds or len(one.seconds) < 2:
                time.sleep(REST_SECONDS)
                _guard(one, active, failures)
    done = [
        Measurement(
            one.runner.entry.name,
            one.runner.threads,
            "measured",
            "",
            one.error,
            times_of(one.seconds),
        )
        for one in active
    ]
    return failures + done


def _guard(one: _Running, active: list[_Running], failures: list[Measurement]) -> None:
    """One sample; an engine that breaks is taken out."""
    try:
        one.sample()
    except Failed as reason:
        one.worker.close()
        active.remove(one)
        failures.append(
            Measurement(one.runner.entry.name, one.runner.threads, "failed", str(reason))
        )
