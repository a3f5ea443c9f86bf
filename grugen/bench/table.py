"""Results as Markdown, made from the JSON alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grugen.bench.cells import best_peer, gflops, markdown, microseconds, reasons_text
from grugen.bench.device_table import DEVICE, device_footer, device_table
from grugen.bench.results import CaseResult, Measurement, Report
from grugen.bench.roster import ENTRIES

OWN = "openmp"
BASELINE = "sequential"


def report_text(report: Report) -> str:
    """A table for forward and one for training, and below them what was measured where."""
    blocks = []
    for mode, title in (("forward", "Forward"), ("training", "Forward and backward")):
        cases = [case for case in report.cases if case.mode == mode]
        if cases:
            make = device_table if report.target == DEVICE else mode_table
            blocks.append(f"{title}, microseconds a call (median)\n\n" + make(cases, report))
    end = device_footer(report) if report.target == DEVICE else footer(report)
    return "\n\n".join([*blocks, end]) + "\n"


def mode_table(cases: Sequence[CaseResult], report: Report) -> str:
    """One line a case: every engine that was measured anywhere, and how grugen stands."""
    columns = [
        (entry.name, threads) for entry in ENTRIES for threads in _threads(cases, entry.name)
    ]
    head = ["cell", "T, B, D, H", *(_title(*column, columns) for column in columns)]
    head += ["best peer / openmp", "GFLOP/s", "of peak", "of read rate", "CPUs free"]
    rows = [
        [
            case.spec,
            case.shape,
            *(_cell(case, *column) for column in columns),
            *_ends(case, report),
            _free(case, report),
        ]
        for case in cases
    ]
    return markdown(head, rows)


def _threads(cases: Iterable[CaseResult], engine: str) -> list[int]:
    """At how many threads an engine was measured; a peer at one number only."""
    return sorted(
        {
            one.threads
            for case in cases
            for one in case.engines
            if one.engine == engine and one.times
        }
    )


def _title(name: str, threads: int, columns: Sequence[tuple[str, int]]) -> str:
    several = sum(other == name for other, _ in columns) > 1
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}" if several else name


def _cell(case: CaseResult, engine: str, threads: int) -> str:
    found = case.measured(engine, threads)
    if found:
        return microseconds(found.seconds)
    status = [o.status for o in case.engines if (o.engine, o.threads) == (engine, threads)]
    return status[0] if status else ""


def _ends(case: CaseResult, report: Report) -> list[str]:
    own, peer = case.measured(OWN), best_peer(case)
    if own is None:
        return ["", "", "", ""]
    rate = gflops(case, own)
    peak = report.peak.get(str(own.threads))
    return [
        f"{peer.seconds / own.seconds:.2f} x ({peer.engine})" if peer else "",
        f"{rate:.0f}",
        f"{rate / peak:.0%}" if peak else "",
        read_share(case, own),
    ]


def _free(case: CaseResult, report: Report) -> str:
    """How much of the machine was there for this case; much less than all makes it doubtful."""
    peak = report.peak.get(str(report.settings["threads"]))
    return f"{case.fma_gflops / peak:.0%}" if peak else ""


def read_share(case: CaseResult, one: Measurement) -> str:
    """The weights that the steps read, against what the machine reads in that time; forward."""
    if case.mode != "forward" or not case.read_gbytes:
        return ""
    rate = case.steps * case.loop_bytes / one.seconds / 1e9
    return f"{rate / case.read_gbytes:.0%}"


def footer(report: Report) -> str:
    """The machine, the versions, and what was left out and why."""
    machine, settings = report.machine, report.settings
    peaks = ", ".join(f"{float(rate):.0f} ({count})" for count, rate in report.peak.items())
    versions = ", ".join(f"{name} {text}" for name, text in machine["versions"].items())
    lines = [
        f"{machine['processor']}, {machine['cpus']} CPUs, {machine['instructions']}, "
        f"{machine['compiler']}, {machine['date']}, load {machine['load']} at the start. "
        f"Threads: {settings['threads']}; float32; "
        f"multiply-add peak measured in the same run, GFLOP/s (threads): {peaks}. {versions}.",
        reasons_text(report),
    ]
    return "\n\n".join(filter(None, lines))
