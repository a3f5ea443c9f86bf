"""`grugen bench`: measure, write the JSON after every case, then table and picture."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from grugen.bench.machine import describe, file_stem
from grugen.bench.measure import Effort, Runner, measure
from grugen.bench.output import write_text
from grugen.bench.peak import peak_gflops
from grugen.bench.readme import rewrite
from grugen.bench.results import Report, read, write
from grugen.bench.roster import Entry, engine_names, entries_of
from grugen.bench.suites import MODES, Case, cases_at, cases_of
from grugen.bench.table import OWN, report_text
from grugen.errors import UsageError
from grugen.runtime.threads import checked_threads, get_num_threads

RESULTS = Path("examples/bench/results")
"""Where results go, from the folder of the project."""


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


def bench(wish: Wish) -> int:
    """Measure what is wished; returns the exit code."""
    cases = _cases(wish)
    threads = get_num_threads() if wish.threads is None else checked_threads(wish.threads)
    entries = entries_of(wish.engines or engine_names())
    if wish.plot:
        _need_matplotlib()
    ladder = thread_counts(threads)
    machine = describe()
    settings = {
        "threads": threads,
        "repeats": wish.effort.repeats,
        "seconds": wish.effort.seconds,
        "build_seconds": wish.effort.build_seconds,
    }
    report = Report(machine, settings, peak_gflops(ladder))
    file = wish.out / f"{file_stem(machine)}.json"
    for number, case in enumerate(cases, 1):
        print(f"{number}/{len(cases)} {case}", file=sys.stderr, flush=True)
        found = measure(case, _runners(entries, ladder), wish.effort, _say)
        report = report.with_case(found)
        write(report, file)
    print(f"wrote {file}", file=sys.stderr)
    plot = wish.plot or find_spec("matplotlib") is not None
    return render(file, table=wish.table, plot=plot, readme=wish.readme)


def render(file: Path, *, table: bool, plot: bool, readme: Path | None = None) -> int:
    """Table and picture from a JSON, and the README's numbers if it is named."""
    report = read(file)
    text, picture = report_text(report), file.with_suffix(".png")
    if plot:
        _need_matplotlib()
        import_module("grugen.bench.plots").speedups(report, picture)
        print(f"wrote {picture}", file=sys.stderr)
        scaling = file.with_name(f"{file.stem}-batches.png")
        if import_module("grugen.bench.scaling_plot").batches(report, scaling):
            print(f"wrote {scaling}", file=sys.stderr)
    if readme is not None:
        changed = rewrite(readme, report, picture)
        print(f"{readme}: {'rewritten' if changed else 'up to date'}", file=sys.stderr)
    write_text(file.with_suffix(".md"), text)
    if table:
        print(text, end="")
    return 0


def thread_counts(threads: int) -> tuple[int, ...]:
    """1, 2, 4 ... and `threads` itself."""
    powers = [2**k for k in range(threads.bit_length()) if 2**k < threads]
    return (*powers, threads)


def _cases(wish: Wish) -> tuple[Case, ...]:
    modes = wish.modes or MODES
    if not wish.specs and not wish.shapes:
        return cases_of(wish.suites or ["clinical"], modes)
    if not wish.specs or not wish.shapes:
        raise UsageError(
            "--shape and --spec belong together\nhelp: --spec my_cell.yaml --shape 48,32,33,64"
        )
    chosen = cases_of(wish.suites, modes)
    return tuple(dict.fromkeys((*chosen, *cases_at(wish.specs, wish.shapes, modes))))


def _runners(entries: Sequence[Entry], ladder: Sequence[int]) -> list[Runner]:
    """grugen's fast target at every number of threads, the baseline at one, peers at the most."""
    found = []
    for entry in entries:
        counts = ladder if entry.name == OWN else ladder[-1:] if entry.peer else (1,)
        found += [Runner(entry, count) for count in counts]
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _need_matplotlib() -> None:
    if find_spec("matplotlib") is None:
        raise UsageError("a picture needs matplotlib\nhelp: pip install matplotlib")
