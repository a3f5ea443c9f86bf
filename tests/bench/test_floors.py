"""The program that holds results against the project's floors."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import samples

from grugen.bench.results import CaseResult, Measurement, write

FILE = Path(__file__).resolve().parents[2] / "examples" / "bench" / "floors.py"


@pytest.fixture
def program() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("bench_floors", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "bench_floors", module)
        spec.loader.exec_module(module)
        yield module


def layer(mode: str, *engines: Measurement, flops: int = 20_000_000) -> CaseResult:
    """`gru_reset_after 48,128,33,64`, with floors of 4 times the best peer, on two threads."""
    case = replace(samples.case(mode, 128, 48), spec="gru_reset_after", sizes=(33, 64))
    return replace(case, flops=flops, read_gbytes=0.0, engines=engines)


def row(program: ModuleType, case: CaseResult) -> dict[str, str]:
    """The line of a case by title; what stands twice is `of peak at the floor` and so on."""
    report = replace(samples.report(), cases=(case,))
    head, _, line = program.report_text(report).splitlines()[:3]
    titles, cells = ([part.strip() for part in text.split("|")[1:-1]] for text in (head, line))
    named: dict[str, str] = {}
    for before, title, cell in zip(["", *titles], titles, cells, strict=False):
        named[f"{before} {title}" if title == "at the floor" else title] = cell
    return named


OPENMP = samples.measured("openmp", 2, 2e-3)


def test_a_floor_that_is_met(program: ModuleType) -> None:
    found = row(program, layer("forward", OPENMP, samples.measured("torch", 2, 10e-3)))
    assert found["peer / openmp"] == "5.00 x"
    assert found["peer, us"] == "10,000 (torch)"
    assert found["floor"] == "4 x"
    # 10 GFLOP/s of 20, of which 4 / 5 would do
    assert (found["of peak"], found["of peak at the floor"]) == ("50%", "40%")
    assert found["verdict"] == "met"


def test_a_floor_that_is_missed(program: ModuleType) -> None:
    peers = samples.measured("torch", 2, 5e-3), samples.measured("jax", 2, 6e-3)
    found = row(program, layer("training", OPENMP, *peers))
    assert found["peer / openmp"] == "2.50 x"
    assert (found["of peak"], found["of peak at the floor"]) == ("50%", "80%")
    assert found["verdict"] == "missed by 60%"


def test_a_floor_above_the_peak(program: ModuleType) -> None:
    """2 of 4 times as fast with more than half of the peak."""
    found = row(
        program, layer("forward", OPENMP, samples.measured("torch", 2, 4e-3), flops=21_000_000)
    )
    assert found["of peak at the floor"] == "105%"
    assert found["verdict"] == "more than the machine has"


def test_the_peer_of_a_reset_before_the_product(program: ModuleType) -> None:
    engines = (
        OPENMP,
        samples.measured("torch", 2, 3e-3),
        samples.measured("onnxruntime", 2, 9e-3),
    )
    found = row(program, replace(layer("forward", *engines), spec="gru"))
    assert (found["peer, us"], found["verdict"]) == ("9,000 (onnxruntime)", "met")
    assert row(program, replace(layer("training", *engines), spec="gru"))["floor"] == ""


def test_bytes_count_where_a_step_reads_all_weights(program: ModuleType) -> None:
    case = replace(
        layer("forward", OPENMP, flops=1000),
        steps=50,
        batch=1,
        sizes=(1024, 1024),
        loop_bytes=100_000,
        read_gbytes=5.0,
    )
    found = row(program, case)
    # 5 MB in 2 ms are half of the rate
    assert (found["least MB"], found["of read rate"]) == ("5.0", "50%")
    assert (found["floor"], found["of read rate at the floor"]) == ("85% of read rate", "85%")
    assert found["verdict"] == "missed by 70%"
    both = row(program, replace(case, mode="training"))
    assert (both["least MB"], both["of read rate"]) == ("10.0", "100%")


def test_cases_without_a_floor(program: ModuleType) -> None:
    peers = OPENMP, samples.measured("torch", 2, 10e-3)
    for case in (
        replace(layer("forward", *peers), steps=47),
        replace(layer("forward", *peers), ragged=True),
        replace(layer("forward", *peers), numbers="float64"),
    ):
        found = row(program, case)
        assert (found["floor"], found["verdict"], found["of peak"]) == ("", "", "50%")
    alone = layer("forward", samples.measured("torch", 2, 1.0))
    assert "torch" not in program.report_text(replace(samples.report(), cases=(alone,)))


def test_floors_are_for_different_cases(program: ModuleType) -> None:
    keys = [(floor.spec, floor.shape, floor.mode) for floor in program.FLOORS]
    assert len(keys) == len(set(keys))
    assert all((floor.ratio > 0) != (floor.of_read > 0) for floor in program.FLOORS)


def test_files(program: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, other = tmp_path / "result.json", tmp_path / "other.json"
    write(samples.report(), file)
    assert program.main([str(file), str(file)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("Some CPU, 2026-01-02; multiply-add peak, GFLOP/s (threads)") == 2
    other.write_text("[1]")
    assert program.main([str(file), str(other)]) == 1
    told = capsys.readouterr().err
    assert told == f"floors.py: '{other}' is no result of this version's  grugen bench\n"
