"""Measures all engines on one case: build, compare, then time them by turns."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from grugen.bench.draw import draw, save
from grugen.bench.flops import flops_of, loop_bytes
from grugen.bench.peak import present_gflops, read_gbytes
from grugen.bench.reference import BOUND, Results, largest_error, reference
from grugen.bench.results import CaseResult, Measurement
from grugen.bench.roster import Entry
from grugen.bench.stats import times_of
from grugen.bench.suites import Case
from grugen.bench.workers import Failed, Order, Skipped, TooSlow, Worker
from grugen.driver import compile_spec, load

SAMPLE_SECONDS = 0.005
"""Calls that are shorter are timed several in a row."""

REST_SECONDS = 0.03
"""Between two samples: threads of the last engine that spin after their work come to rest."""

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


def measure(case: Case, runners: Sequence[Runner], effort: Effort, say: Say) -> CaseResult:
    """Build every engine, compare it with the interpreter, and time those that are right."""
    module = load(case.spec)
    data = draw(case, module.interface)
    train = case.mode == "training"
    wanted = reference(module, data, train=train)
    threads = max(runner.threads for runner in runners)
    present = present_gflops(threads)
    found: list[Measurement] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="grugen-bench-")))
        save(data, folder / "case.npz")
        running: list[_Running] = []
        for runner in runners:
            if train and not runner.entry.training:
                continue
            started = _start(case, runner, folder / "case.npz", wanted, effort, stack)
            if isinstance(started, _Running):
                running.append(started)
            else:
                found.append(started)
                say(f"  {runner.entry.name}: {started.status}, {started.reason}")
        found += _time(running, effort)
    steps = compile_spec(case.spec).steps
    weights = loop_bytes(steps.forward, data.sizes)
    by_runner = {(one.engine, one.threads): one for one in found}
    order_of = [(runner.entry.name, runner.threads) for runner in runners]
    return CaseResult(
        spec=case.spec,
        steps=case.steps,
        batch=case.batch,
        sizes=case.sizes,
        mode=case.mode,
        flops=flops_of(steps, data.sizes, case),
        loop_bytes=weights,
        read_gbytes=read_gbytes(threads, weights) if case.batch == 1 else 0.0,
        fma_gflops=present,
        engines=tuple(by_runner[key] for key in order_of if key in by_runner),
    )


def _start(
    case: Case, runner: Runner, data: Path, wanted: Results, effort: Effort, stack: ExitStack
) -> _Running | Measurement:
    """An engine that is ready to be timed, or why it is not."""
    name = runner.entry.name
    key = name, case.spec, case.mode
    if case.steps >= effort.slow.get(key, case.steps + 1):
        reason = f"it did not get ready within {effort.build_seconds:.0f} s at an earlier shape"
        return Measurement(name, runner.threads, "skipped", reason)
    try:
        order = Order(runner.entry, case.spec, data, case.mode == "training", runner.threads)
        worker = Worker(order, effort.build_seconds)
        stack.callback(worker.close)
        file = data.with_name("results.npz")
        worker.results(file)
    except Skipped as error:
        if isinstance(error, TooSlow):
            effort.slow[key] = case.steps
        return Measurement(name, runner.threads, "skipped", str(error))
    except Failed as error:
        return Measurement(name, runner.threads, "failed", str(error))
    with np.load(file, allow_pickle=False) as results:
        distance, tensor = largest_error(dict(results), wanted)
    if not distance <= BOUND:
        worker.close()
        reason = f"'{tensor}' is {distance:.1e} from the interpreter, {BOUND:.0e} is allowed"
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
        active.remove(one)
        failures.append(
            Measurement(one.runner.entry.name, one.runner.threads, "failed", str(reason))
        )
