"""Which of the project's floors a result of `grugen bench` meets, and what the others would take.

    python examples/bench/floors.py examples/bench/results/FILE.json ...

A floor is how many times as fast as the best peer a call should be. What is missed may be a
matter of work, or more than the machine can do: the table has the share of the measured
multiply-add peak that a call reaches, and what it would have to reach to meet its floor. Where the
batch is a single sequence, every step reads all weights of the loop and does little with them:
there the bytes count, against what the machine was measured to read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grugen.bench.cells import best_peer, gflops, markdown, microseconds
from grugen.bench.results import CaseResult, Measurement, Report, read
from grugen.errors import GrugenError

OWN = "openmp"
"""The engine that has floors."""


@dataclass(frozen=True, slots=True)
class Floor:
    """How fast the cell `spec` should be at `shape`, which is `T,B,D,H`.

    At least `ratio` times as fast as `peer`, the best one if it is empty. Where `of_read` is not 0,
    the loop's weights should be read at that share of the measured rate instead.
    """

    spec: str
    shape: str
    mode: str
    ratio: float
    of_read: float = 0.0
    peer: str = ""


def _of(spec: str, shape: str, forward: float, training: float) -> tuple[Floor, Floor]:
    return Floor(spec, shape, "forward", forward), Floor(spec, shape, "training", training)


_LAYERS = (
    *_of("gru_reset_after", "48,1,33,64", 1.5, 3.0),
    *_of("gru_reset_after", "48,32,33,64", 4.5, 4.0),
    *_of("gru_reset_after", "48,128,33,64", 4.0, 4.0),
    *_of("gru_reset_after", "48,128,99,128", 2.1, 3.1),
    *_of("gru_reset_after", "100,64,128,256", 1.85, 2.2),
    *_of("gru_reset_after", "100,32,512,512", 1.35, 1.7),
    *_of("gru_reset_after", "50,32,1024,1024", 1.15, 1.35),
    *_of("gru_reset_after", "100,1,512,512", 1.2, 3.0),
    Floor("gru_reset_after", "50,1,1024,1024", "forward", 0.0, of_read=0.85),
    Floor("gru_reset_after", "50,1,1024,1024", "training", 3.0),
)
FLOORS = (
    *_LAYERS,
    # the reset before the product is what few offer, and none trains
    *(
        Floor("gru", floor.shape, floor.mode, floor.ratio, floor.of_read, "onnxruntime")
        for floor in _LAYERS
        if floor.mode == "forward"
    ),
    *_of("gru_d", "48,128,33,64", 2.5, 6.0),
    *_of("gru_d", "48,128,99,128", 2.5, 3.3),
)

HEAD = (
    *("cell", "T, B, D, H", "mode", "openmp, us", "peer, us", "peer / openmp", "floor"),
    *("of peak", "at the floor", "least MB", "of read rate", "at the floor", "verdict"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of grugen bench")
    try:
        reports = [read(file) for file in parser.parse_args(arguments).files]
    except GrugenError as error:
        print(f"floors.py: {error}", file=sys.stderr)
        return 1
    print("\n\n".join(report_text(report) for report in reports))
    return 0


def report_text(report: Report) -> str:
    """A line for each case that the own engine has run, and which machine it was."""
    rows = [row for case in report.cases if (row := _row(case, report))]
    machine = report.machine
    peaks = ", ".join(f"{rate:.0f} ({count})" for count, rate in report.peak.items())
    return (
        f"{markdown(HEAD, rows)}\n\n{machine['processor']}, {machine['date']}; "
        f"multiply-add peak, GFLOP/s (threads): {peaks}."
    )


def floor_of(case: CaseResult) -> Floor | None:
    """The floor of a case, if it has one."""
    wanted = (case.spec, case.shape, case.mode)
    is_plain = not case.ragged and case.numbers == "float32"
    found = (f for f in FLOORS if is_plain and (f.spec, f.shape, f.mode) == wanted)
    return next(found, None)


def _row(case: CaseResult, report: Report) -> list[str]:
    own, floor = case.measured(OWN), floor_of(case)
    if own is None:
        return []
    peer = case.measured(floor.peer) if floor and floor.peer else best_peer(case)
    peak = report.peak.get(str(own.threads), 0.0)
    of_peak = gflops(case, own) / peak if peak else 0.0
    megabytes, of_read = _read(case, own)
    ratio = peer.seconds / own.seconds if peer else 0.0
    # how many times as fast the floor is as what was measured
    missing = 0.0
    if floor and floor.of_read and of_read:
        missing = floor.of_read / of_read
    elif floor and floor.ratio and ratio:
        missing = floor.ratio / ratio
    return [
        case.spec,
        case.shape,
        case.mode,
        microseconds(own.seconds),
        f"{microseconds(peer.seconds)} ({peer.engine})" if peer else "",
        f"{ratio:.2f} x" if ratio else "",
        _floor_text(floor),
        _percent(of_peak),
        _percent(of_peak * missing),
        f"{megabytes:.1f}" if of_read else "",
        _percent(of_read),
        _percent(of_read * missing),
        _verdict(missing, max(of_peak, of_read) * missing),
    ]


def _read(case: CaseResult, own: Measurement) -> tuple[float, float]:
    """The loop's weights that all steps of a call read, in MB, and their share of the read rate.

    Both are 0 where the rate was not measured, because more than one sequence shares what is read.
    The backward loop multiplies with the same matrices.
    """
    if not case.read_gbytes:
        return 0.0, 0.0
    passes = 2 if case.mode == "training" else 1
    count = passes * case.steps * case.loop_bytes
    return count / 1e6, count / own.seconds / 1e9 / case.read_gbytes


def _floor_text(floor: Floor | None) -> str:
    if floor is None:
        return ""
    return f"{floor.of_read:.0%} of read rate" if floor.of_read else f"{floor.ratio:g} x"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share else ""


def _verdict(missing: float, needed: float) -> str:
    """`needed` is the larger share of what the machine can do that the floor asks for."""
    if not missing:
        return ""
    if missing <= 1:
        return "met"
    return f"missed by {missing - 1:.0%}" if needed <= 1 else "more than the machine has"


if __name__ == "__main__":
    raise SystemExit(main())
