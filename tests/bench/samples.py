"""A small report, as a run would make it."""

from __future__ import annotations

from grugen.bench.results import CaseResult, Measurement, Report
from grugen.bench.stats import times_of
from grugen.toolchain.build import BuildOptions

OPTIONS = BuildOptions()

MACHINE = {
    "processor": "Some CPU",
    "cpus": 2,
    "instructions": "AVX2",
    "compiler": "cc 1.0",
    "versions": {"numpy": "2.4.6"},
    "load": 0.1,
    "date": "2026-01-02",
}


def measured(engine: str, threads: int, seconds: float) -> Measurement:
    return Measurement(engine, threads, "measured", "", 1e-7, times_of([seconds] * 3))


def case(mode: str = "forward", batch: int = 1, steps: int = 10) -> CaseResult:
    return CaseResult(
        spec="leaky",
        steps=steps,
        batch=batch,
        sizes=(3, 4),
        mode=mode,
        flops=2_000_000,
        loop_bytes=1000,
        read_gbytes=10.0,
        fma_gflops=18.0,
        engines=(
            measured("sequential", 1, 4e-3),
            measured("openmp", 1, 2e-3),
            measured("openmp", 2, 1e-3),
            measured("torch", 2, 3e-3),
            Measurement("jax", 2, "skipped", "jax not installed"),
            Measurement("openvino", 2, "wrong", "far away", 0.1),
        ),
    )


def report() -> Report:
    settings = {"threads": 2, "repeats": 3, "seconds": 1.0, "build_seconds": 9.0}
    return Report(MACHINE, settings, {"1": 10.0, "2": 20.0}, (case(), case("training")))
