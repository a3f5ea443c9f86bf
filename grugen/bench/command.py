"""`grugen bench`: measure, write the JSON after every case, then table and picture."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from grugen.bench.crew import Staying
from grugen.bench.device_peak import asked
from grugen.bench.device_profiling import DeviceProfile
from grugen.bench.device_table import DEVICE
from grugen.bench.draw import sizes_of
from grugen.bench.machine import describe, file_stem
from grugen.bench.measure import Effort, Runner, measure
from grugen.bench.output import write_text
from grugen.bench.peak import peak_gflops
from grugen.bench.readme import rewrite
from grugen.bench.results import Report, read, write
from grugen.bench.roster import engine_names, entries_of
from grugen.bench.suites import MODES, Case, cases_at, cases_of
from grugen.bench.table import OWN, report_text
from grugen.driver import compile_spec
from grugen.errors import UsageError
from grugen.runtime.threads import checked_threads, get_num_threads

RESULTS = Path("examples/bench/results")
"""Where results go, from the folder of the project."""

DEVICE_SUITES = (
    *(
        "device",
        "device-ragged",
        "device-bfloat16",
        "device-more",
        "device-beside-cpu",
        "device-compiled",
    ),
)
"""What is measured on a GPU, what matters most first."""
DEFAULT_SUITES = {OWN: ("clinical",), DEVICE: DEVICE_SUITES}


@dataclass(frozen=True, slots=True)
class Wish:
    """The words of the command line; empty lists and None are what was left out."""

    suites: Sequence[str]
    specs: Sequence[str]
    shapes: Sequence[str]
    modes: Sequence[str]
    engines: Sequence[str]
    threads: int | None
    effort: Effort
    out: Path
    table: bool
    plot: bool
    readme: Path | None = None
    target: str = "openmp"


def bench(wish: Wish) -> int:
    """Measure what is wished; returns the exit code."""
    cases = cases_for(wish)
    _check_shapes(cases)
    threads = get_num_threads() if wish.threads is None else checked_threads(wish.threads)
    entries_of(wish.engines)
    if wish.plot:
        _need_matplotlib()
    ladder = thread_counts(threads)
    with ExitStack() as stack:
        if wish.target == DEVICE:
            report, crew = device_report(asked(), wish.effort, threads), Staying()
            stack.enter_context(crew)
        else:
            report, crew = Report(describe(), settings_of(wish.effort, threads), {}), None
            report = replace(report, peak=peak_gflops(ladder))
        file = wish.out / f"{file_stem(dict(report.machine))}.json"
        for number, case in enumerate(cases, 1):
            print(f"{number}/{len(cases)} {case}", file=sys.stderr, flush=True)
            runners = runners_for(case, wish.engines, wish.target, ladder)
            report = report.with_case(measure(case, runners, wish.effort, _say, crew))
            write(report, file)
    print(f"wrote {file}", file=sys.stderr)
    plot = wish.plot or find_spec("matplotlib") is not None
    return render(file, table=wish.table, plot=plot, readme=wish.readme)


def _check_shapes(cases: Sequence[Case]) -> None:
    """UsageError where a shape does not fit its cell: before hours of measuring, not after."""
    interfaces = {spec: compile_spec(spec).interface for spec in {case.spec for case in cases}}
    for case in cases:
        sizes_of(case, interfaces[case.spec])


def render(file: Path, *, table: bool, plot: bool, readme: Path | None = None) -> int:
    """Table and picture from a JSON, and the README's numbers if it is named."""
    report = read(file)
    text, picture = report_text(report), file.with_suffix(".png")
    if plot:
        _need_matplotlib()
        if import_module("grugen.bench.plots").speedups(report, picture):
            print(f"wrote {picture}", file=sys.stderr)
        scaling = file.with_name(f"{file.stem}-batches.png")
        if import_module("grugen.bench.scaling_plot").batches(report, scaling):
            print(f"wrote {scaling}", file=sys.stderr)
        _profiles(report, file.with_name(f"{file.stem}-profile.png"))
    if readme is not None:
        changed = rewrite(readme, report, picture)
        print(f"{readme}: {'rewritten' if changed else 'up to date'}", file=sys.stderr)
    write_text(file.with_suffix(".md"), text)
    if table:
        print(text, end="")
    return 0


def _profiles(report: Report, picture: Path) -> None:
    """The profiles among the checks, as one picture."""
    bars = [
        DeviceProfile(**one | {"kernel": f"{name.removeprefix('profile of ')}\n{one['kernel']}"})
        for name, check in report.checks.items()
        for one in check.get("kernels", ())
    ]
    if bars:
        plots = import_module("grugen.bench.profile_plot")
        plots.stacked_bars("cuda, float32", 1, [one.as_kernel() for one in bars], picture)
        print(f"wrote {picture}", file=sys.stderr)


def thread_counts(threads: int) -> tuple[int, ...]:
    """1, 2, 4 ... and `threads` itself."""
    powers = [2**k for k in range(threads.bit_length()) if 2**k < threads]
    return (*powers, threads)


def settings_of(effort: Effort, threads: int) -> dict[str, Any]:
    """How long was measured, as reports say it."""
    return {
        "threads": threads,
        "repeats": effort.repeats,
        "seconds": effort.seconds,
        "build_seconds": effort.build_seconds,
    }


def device_report(facts: Mapping[str, Any], effort: Effort, threads: int) -> Report:
    """A report about a GPU, still empty; `facts` are those of `device_peak.asked`."""
    texts = [" ".join(problem.split())[-200:] for problem in facts["problems"]]
    checks = {"problems": {"text": "; ".join(texts), "lines": facts["problems"]}} if texts else {}
    settings = settings_of(effort, threads) | {"target": DEVICE}
    return Report(describe() | {"gpu": facts["gpu"]}, settings, facts["peak"], checks=checks)


def cases_for(wish: Wish) -> tuple[Case, ...]:
    """What is to be measured. Raises UsageError for what is not there."""
    modes = wish.modes or MODES
    if not wish.specs and not wish.shapes:
        return cases_of(wish.suites or DEFAULT_SUITES[wish.target], modes)
    if not wish.specs or not wish.shapes:
        raise UsageError(
            "--shape and --spec belong together\nhelp: --spec my_cell.yaml --shape 48,32,33,64"
        )
    chosen = cases_of(wish.suites, modes)
    return tuple(dict.fromkeys((*chosen, *cases_at(wish.specs, wish.shapes, modes))))


def runners_for(
    case: Case, engines: Sequence[str], target: str, ladder: Sequence[int]
) -> list[Runner]:
    """The engines of a case that are wished for, all if none are.

    grugen's fast target runs at every number of threads, the baseline at one, peers at the most; on
    the host of a GPU one thread waits, and the CPU is measured with all of its threads.
    """
    device = DEVICE if target == DEVICE else "cpu"
    names = case.engines or engine_names(device)
    found = []
    for entry in entries_of([*(engines or names)]):
        if case.engines and entry.name not in case.engines:
            continue
        counts: Sequence[int] = (1,)
        if entry.name == OWN:
            counts = ladder if target == OWN else ladder[-1:]
        elif entry.peer and entry.device == "cpu":
            counts = ladder[-1:]
        found += [Runner(entry, count) for count in counts]
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _need_matplotlib() -> None:
    if find_spec("matplotlib") is None:
        raise UsageError("a picture needs matplotlib\nhelp: pip install matplotlib")
