"""What tables of results have in common: numbers as text, Markdown, why something is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grugen.bench.results import CaseResult, Measurement, Report
from grugen.bench.roster import ALL

PEERS = tuple(entry.name for entry in ALL if entry.peer)


def best_peer(case: CaseResult) -> Measurement | None:
    """The fastest of all frameworks on this case."""
    found = [one for name in PEERS if (one := case.measured(name))]
    return min(found, key=lambda one: one.seconds, default=None)


def gflops(case: CaseResult, one: Measurement) -> float:
    """Operations of the products in 10^9 a second."""
    return case.flops / one.seconds / 1e9


def microseconds(seconds: float) -> str:
    """Three digits or whole microseconds."""
    found = seconds * 1e6
    return f"{found:,.0f}" if found >= 100 else f"{found:.3g}"


def reasons_text(report: Report) -> str:
    """What was left out and why, a line for each reason."""
    lines = []
    reasons: dict[str, list[str]] = {}
    for case in report.cases:
        for one in case.engines:
            if one.times is None:
                text = f"{one.engine} {one.status}: {one.reason}"
                reasons.setdefault(text, []).append(f"{case.spec} {case.shape} {case.mode}")
    for text, cases in reasons.items():
        where = cases[0] if len(cases) == 1 else f"{len(cases)} cases"
        lines.append(f"- {text} ({where})")
    return "\n".join(lines)


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
