"""Results on a GPU as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grugen.bench.cells import best_peer, gflops, markdown, microseconds, reasons_text
from grugen.bench.results import CaseResult, Measurement, Report
from grugen.bench.suites import manner

DEVICE = "cuda"
GRAPH = "cuda graph"
FMA = "fma"
"""The peak that fractions are of."""

HEAD = (
    *("cell", "T, B, D, H", "cuda", "cuda graph", "others", "best peer / cuda"),
    *("GFLOP/s", "of peak", "spread", "beside"),
)


def device_table(cases: Sequence[CaseResult], report: Report) -> str:
    """One line a case. `spread` is the interquartile range, `beside` the time of another cell."""
    return markdown(HEAD, (_row(case, report) for case in cases))


def _row(case: CaseResult, report: Report) -> list[str]:
    own, graph, peer = case.measured(DEVICE), case.measured(GRAPH), best_peer(case)
    others = [one for one in case.engines if one.engine not in (DEVICE, GRAPH)]
    row = [
        case.spec,
        f"{case.shape}{manner(case.ragged, case.numbers)}",
        *(_state(case, engine) for engine in (DEVICE, GRAPH)),
        ", ".join(f"{one.engine} {_state(case, one.engine)}" for one in others),
    ]
    if own is None or own.times is None:
        return [*row, "", "", "", "", ""]
    share = _share(case, graph or own, report)
    return [
        *row,
        f"{peer.seconds / own.seconds:.2f} x ({peer.engine})" if peer else "",
        f"{gflops(case, graph or own):,.0f}",
        share,
        f"{own.times.spread:.1%}",
        _beside(case, own, report),
    ]


def _state(case: CaseResult, engine: str) -> str:
    found = case.measured(engine)
    if found:
        return microseconds(found.seconds)
    return next((one.status for one in case.engines if one.engine == engine), "")


def _share(case: CaseResult, own: Measurement, report: Report) -> str:
    peak = report.peak.get(FMA)
    share = gflops(case, own) / peak if peak else 0.0
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}" if share else ""


def _beside(case: CaseResult, own: Measurement, report: Report) -> str:
    """How many times as long it takes as the other cell at the same shape."""
    for other in report.cases:
        if (other.spec, other.shape) == (case.beside, case.shape) and (
            (other.mode, other.ragged, other.numbers) == (case.mode, case.ragged, case.numbers)
        ):
            found = other.measured(DEVICE)
            if found:
                return f"{own.seconds / found.seconds:.2f} x {case.beside}"
    return ""


def device_footer(report: Report) -> str:
    """The GPU and the versions, what else was checked, and what was left out and why."""
    machine, gpu = report.machine, report.machine.get("gpu", {})
    facts = ", ".join(f"{name} {text}" for name, text in gpu.items() if name != "name")
    peaks = ", ".join(f"{float(rate):,.0f} ({name})" for name, rate in report.peak.items())
    about = (
        f"{gpu.get('name', 'no GPU')}, {facts}; {machine['processor']}, {machine['cpus']} CPUs; "
        f"{machine['date']}. float32 without TF32 where nothing else is said; medians of "
        f"{report.settings['repeats']} samples taken by turns, on a GPU by its events around calls "
        "in a row, on the CPU by its clock. "
        "GFLOP/s are those of `cuda graph` where it ran, else of `cuda`. "
        f"Peaks measured in the same run, GFLOP/s: {peaks or 'none'}."
    )
    return "\n\n".join(filter(None, [about, "\n".join(_checks(report)), reasons_text(report)]))


def _checks(report: Report) -> Iterable[str]:
    """A line for each thing that was found out beside the times."""
    for name, check in report.checks.items():
        if isinstance(check, dict) and "text" in check:
            yield f"- {name}: {check['text']}"
