"""Results as Markdown, made from the JSON alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grugen.bench.results import CaseResult, Measurement, Report
from grugen.bench.roster import ENTRIES

OWN = "openmp"
BASELINE = "sequential"
PEERS = tuple(entry.name for entry in ENTRIES if entry.peer)


def best_peer(case: CaseResult) -> Measurement | None:
    """The fastest of all frameworks on this case."""
    found = [one for name in PEERS if (one := case.measured(name))]
    return min(found, key=lambda one: one.seconds, default=None)


def report_text(report: Report) -> str:
    """A table for forward and one for training, and below them what was measured where."""
    blocks = []
    for mode, title in (("forward", "Forward"), ("training", "Forward and backward")):
        cases = [case for case in report.cases if case.mode == mode]
        if cases:
            blocks.append(f"{title}, microseconds a call (median)\n\n" + mode_table(cases, report))
    return "\n\n".join([*blocks, footer(report)]) + "\n"


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


def gflops(case: CaseResult, one: Measurement) -> float:
    """Operations of the products in 10^9 a second."""
    return case.flops / one.seconds / 1e9


def microseconds(seconds: float) -> str:
    """Three digits or whole microseconds."""
    found = seconds * 1e6
    return f"{found:,.0f}" if found >= 100 else f"{found:.3g}"


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
    ]
    reasons: dict[str, list[str]] = {}
    for case in report.cases:
        for one in case.engines:
            if one.times is None:
                text = f"{one.engine} {one.status}: {one.reason}"
                reasons.setdefault(text, []).append(f"{case.spec} {case.shape} {case.mode}")
    for text, cases in reasons.items():
        where = cases[0] if len(cases) == 1 else f"{len(cases)} cases"
        lines.append(f"- {text} ({where})")
    return "\n\n".join([lines[0], "\n".join(lines[1:])]) if lines[1:] else lines[0]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose columns stand below each other in plain text, too."""
    lines = [list(head), *map(list, rows)]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(head))]

    def shown(line: Sequence[str]) -> str:
        cells = (
            text.ljust(width) if i < LEFT else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        return f"| {' | '.join(cells)} |"

    rule = ["-" * width if i < LEFT else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([shown(lines[0]), f"| {' | '.join(rule)} |", *map(shown, lines[1:])])


LEFT = 2
"""How many columns at the left hold words."""
