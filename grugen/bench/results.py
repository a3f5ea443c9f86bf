"""What was measured, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from grugen.bench.output import write_text
from grugen.bench.stats import Times
from grugen.errors import UsageError

FORMAT = 1
"""Raised when a file of an older form can no longer be read."""

STATUSES = ("measured", "skipped", "failed", "wrong")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One engine on one case.

    `status` is one of STATUSES, `reason` says why there are no times; `error` is the largest
    distance from the interpreter (see `grugen.bench.reference`).
    """

    engine: str
    threads: int
    status: str
    reason: str = ""
    error: float | None = None
    times: Times | None = None

    @property
    def seconds(self) -> float:
        """The median of one call; only of what was measured."""
        assert self.times is not None
        return self.times.median


@dataclass(frozen=True, slots=True)
class CaseResult:
    """All engines on one case; `flops` are the operations of the products of one call.

    `loop_bytes` are the weights that each step of the time loop reads; `read_gbytes` is how many
    GB/s the machine read of as many bytes, measured where the batch is 1 (else 0). `fma_gflops` is
    what multiply-adds alone reached just before, on all threads: below the peak, others were busy;
    0 where a GPU was measured. `ragged`, `beside` and `numbers` are those of the case.
    """

    spec: str
    steps: int
    batch: int
    sizes: tuple[int, ...]
    mode: str
    flops: int
    loop_bytes: int
    read_gbytes: float
    fma_gflops: float
    engines: tuple[Measurement, ...]
    ragged: bool = False
    beside: str = ""
    numbers: str = "float32"

    @property
    def shape(self) -> str:
        """`T,B,D,H` in numbers."""
        return ",".join(map(str, (self.steps, self.batch, *self.sizes)))

    def measured(self, engine: str, threads: int | None = None) -> Measurement | None:
        """The engine's measurement at `threads`, or at its most threads."""
        found = [
            one
            for one in self.engines
            if one.engine == engine and one.times and threads in (None, one.threads)
        ]
        return max(found, key=lambda one: one.threads, default=None)


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run.

    `machine` describes it in words and numbers (see `grugen.bench.machine`), `settings` how long
    was measured; `peak` has GFLOP/s by number of threads, as text, or by what reached it on a GPU.
    `checks` is what else was found out, by its name.
    """

    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    peak: Mapping[str, float]
    cases: tuple[CaseResult, ...] = ()
    checks: Mapping[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The target that the report is about."""
        return str(self.settings.get("target", "openmp"))

    def with_case(self, case: CaseResult) -> Report:
        """The report with one more case; the peak is the most that was ever seen."""
        if not case.fma_gflops:
            return replace(self, cases=(*self.cases, case))
        threads = str(self.settings["threads"])
        peak = max(self.peak.get(threads, 0.0), case.fma_gflops)
        cases = (*self.cases, case)
        return replace(self, cases=cases, peak={**self.peak, threads: peak})


def write(report: Report, file: Path) -> None:
    """Write the JSON."""
    write_text(file, json.dumps({"format": FORMAT, **asdict(report)}, indent=1) + "\n")


def read(file: Path) -> Report:
    """The report of a JSON file. Raises UsageError if it is none."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read '{file}': {error}") from error
    try:
        if data["format"] != FORMAT:
            raise KeyError("format")
        cases = tuple(_case(case) for case in data["cases"])
        checks = data.get("checks", {})
        return Report(data["machine"], data["settings"], data["peak"], cases, checks)
    except (KeyError, TypeError) as error:
        raise UsageError(f"'{file}' is no result of this version's  grugen bench") from error


def _case(data: dict[str, Any]) -> CaseResult:
    engines = (
        Measurement(**one | {"times": one["times"] and Times(**one["times"])})
        for one in data["engines"]
    )
    return CaseResult(**data | {"sizes": tuple(data["sizes"]), "engines": tuple(engines)})
