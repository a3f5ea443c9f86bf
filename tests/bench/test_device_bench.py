"""`grugen bench --target cuda` as far as it needs no device: suites, tables, crews, faults."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import samples
from emulated import build_emulated, left_out

from grugen.bench import crew as crews
from grugen.bench.command import DEVICE_SUITES, cases_for, device_report, runners_for
from grugen.bench.crew import Passing, Staying
from grugen.bench.device_peak import device_facts
from grugen.bench.measure import Effort
from grugen.bench.readme import MARKS, rewrite
from grugen.bench.results import CaseResult, Measurement, Report, read, write
from grugen.bench.roster import ALL, DEVICE_ENTRIES, REFERENCE, engine_names, entries_of
from grugen.bench.suites import Case, cases_of
from grugen.bench.table import report_text
from grugen.bench.workers import Failed, Order, TooSlow
from grugen.cli import main

ROOT = Path(__file__).parent.parent.parent
GPU = {"name": "NVIDIA H200", "torch": "2.11.0", "driver": "580.1"}
EFFORT = Effort(3, 0.1, 9.0)


def measured(engine: str, seconds: float) -> Measurement:
    return samples.measured(engine, 1, seconds)


def case_of(spec: str, *engines: Measurement, beside: str = "", ragged: bool = False) -> CaseResult:
    case = samples.case()
    return replace(
        case, spec=spec, engines=engines, fma_gflops=0.0, read_gbytes=0.0, beside=beside,
        ragged=ragged,
    )  # fmt: skip


def report() -> Report:
    machine = samples.MACHINE | {"gpu": GPU}
    settings = {"threads": 2, "repeats": 3, "target": "cuda"}
    cases = (
        case_of("leaky", measured("cuda", 2e-5), measured("cuda graph", 1e-5),
                measured("cudnn", 4e-5), Measurement("eager", 1, "failed", "it broke")),
        case_of("slow", measured("cuda", 3e-5), measured("eager", 9e-4), beside="leaky"),
        case_of("leaky", Measurement("cuda", 1, "wrong", "far away"), ragged=True),
    )  # fmt: skip
    checks = {"memcheck": {"text": "0 errors"}, "quiet": {"code": 0}}
    return Report(machine, settings, {"fma": 60000.0}, cases, checks)


# --- what is measured by whom ---


def test_suites_of_the_issue() -> None:
    cases = [case for name in DEVICE_SUITES for case in cases_of([name])]
    found = {(case.spec, case.shape, case.ragged) for case in cases}
    for shape in ("48,128,33,64", "100,32,256,256", "256,16,512,512"):
        assert {("gru_reset_after", shape, False), ("gru", shape, False)} <= found
    assert {("gru_reset_after", s, True) for s in ("48,128,33,64", "100,32,256,256")} <= found
    assert ("gru_reset_after", "1500,32,1024,1024", False) in found
    for case in cases:
        entries_of(case.engines)
        assert "cuda" in case.engines
        # what runs sequences of one length only would be left out without a word
        able = {entry.name for entry in ALL if entry.ragged}
        assert not case.ragged or set(case.engines) <= able
        exact = {entry.name for entry in ALL if case.numbers in entry.numbers}
        assert set(case.engines) <= exact


def test_engines_of_a_case() -> None:
    case = Case("gru", 2, 3, (4, 5), "forward", engines=("sequential", "openmp", "cuda"))

    def names(case: Case, engines: tuple[str, ...], target: str) -> list[tuple[str, int]]:
        return [(r.entry.name, r.threads) for r in runners_for(case, engines, target, (1, 2, 4))]

    assert names(case, (), "cuda") == [("sequential", 1), ("openmp", 4), ("cuda", 1)]
    assert names(case, ("cuda", "cudnn"), "cuda") == [("cuda", 1)]
    anyone = replace(case, engines=())
    assert [name for name, _ in names(anyone, (), "cuda")] == list(engine_names("cuda"))
    assert names(anyone, ("openmp", "jax"), "openmp") == [
        *(("openmp", count) for count in (1, 2, 4)),
        ("jax", 4),
    ]


def test_devices_engines_are_named_once_and_need_torch() -> None:
    assert len({entry.name for entry in ALL}) == len(ALL)
    assert all(entry.needs == ("torch",) for entry in (*DEVICE_ENTRIES, REFERENCE))
    assert set(engine_names()).isdisjoint(engine_names("cuda"))


def test_default_suites(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--target", "cuda", "--suite", "devcie"]) == 2
    assert "did you mean 'device'" in capsys.readouterr().err
    wish: Any = type("Wish", (), {"modes": ["forward"], "specs": [], "shapes": [], "suites": []})
    wish.target = "cuda"
    assert {case.mode for case in cases_for(wish)} == {"forward"}
    assert cases_for(wish)[0].engines[0] == "cuda"


# --- texts ---


def test_table_of_a_gpu() -> None:
    text = report_text(report())
    lines = [" ".join(line.split()) for line in text.splitlines()]
    # of the peak: what the graph reached
    assert (
        "| leaky | 10,1,3,4 | 20 | 10 | cudnn 40, eager failed | 2.00 x (cudnn) | 200 | 0.3% | "
        "0.0% | |" in lines
    )
    assert (
        "| slow | 10,1,3,4 | 30 | | eager 900 | 30.00 x (eager) | 67 | 0.1% | 0.0% | "
        "1.50 x leaky |" in lines
    )
    assert "| leaky | 10,1,3,4 ragged | wrong | | | | | | | |" in lines
    assert "NVIDIA H200, torch 2.11.0, driver 580.1; Some CPU, 2 CPUs" in text
    assert "GFLOP/s: 60,000 (fma)" in text
    assert "- memcheck: 0 errors" in text
    assert "- eager failed: it broke (leaky 10,1,3,4 forward)" in text
    assert "quiet" not in text


def test_report_of_a_gpu_survives_a_file(tmp_path: Path) -> None:
    write(report(), tmp_path / "a.json")
    assert read(tmp_path / "a.json") == report()


def test_readme_has_a_place_for_each_target(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("\n".join(mark for marks in MARKS.values() for mark in marks))
    assert rewrite(readme, report(), tmp_path / "a.png")
    assert rewrite(readme, samples.report(), tmp_path / "a.png")
    text = readme.read_text()
    begin, end = MARKS["cuda"]
    assert report_text(report()) in text[text.index(begin) : text.index(end)]
    assert all(mark in (ROOT / "README.md").read_text() for mark in MARKS["cuda"])


def test_facts_that_are_not_there() -> None:
    made = device_report({"gpu": {}, "peak": {}, "problems": ["no driver\n at all"]}, EFFORT, 2)
    assert made.target == "cuda"
    assert "- problems: no driver at all" in report_text(made)


def test_peak_by_a_kernel() -> None:
    if left_out():
        pytest.skip(left_out())
    facts = device_facts(lambda bundle: build_emulated(bundle, samples.OPTIONS), rounds=1)
    assert facts["gpu"]["processors"] == "132"
    assert facts["peak"]["fma"] > 0


# --- crews ---


class FakeWorker:
    made = 0

    def __init__(self, order: Order, seconds: float) -> None:
        FakeWorker.made += 1
        self.is_alive = True
        self.build(order, seconds)

    def build(self, order: Order, seconds: float) -> None:
        self.order = order
        if order.spec == "broken":
            self.close()
            raise Failed("it broke")

    def close(self) -> None:
        self.is_alive = False


@pytest.fixture
def fake_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeWorker.made = 0
    monkeypatch.setattr(crews, "Worker", FakeWorker)


def order(name: str, spec: str = "gru") -> Order:
    return Order(entries_of([name])[0], spec, Path("a.npz"), False, 1)


@pytest.mark.usefixtures("fake_workers")
def test_a_process_stays_until_it_fails() -> None:
    with Staying() as crew:
        first = crew.hire(order("cuda"), 9)
        crew.leave(first)
        assert crew.hire(order("cuda", "lstm"), 9) is first
        crew.leave(first)
        with pytest.raises(Failed):
            crew.hire(order("cuda", "broken"), 9)
        second = crew.hire(order("cuda"), 9)
        assert second is not first
        crew.leave(second)
        on_cpu = crew.hire(order("openmp"), 9)
        crew.leave(on_cpu)
        assert not on_cpu.is_alive
        assert FakeWorker.made == 3
    assert not second.is_alive
    passing = Passing().hire(order("openmp"), 9)
    Passing().leave(passing)
    assert not passing.is_alive


@pytest.mark.usefixtures("fake_workers")
def test_what_began_early_is_waited_for_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    with Staying() as crew:
        crew.start_early(order("compiled loop"), 9)
        assert crew.hire(order("compiled loop"), 9).order.spec == "gru"

        class Endless:
            def result(self, seconds: float) -> Any:
                raise TimeoutError

            def add_done_callback(self, _: object) -> None:
                pass

        monkeypatch.setitem(crew._early, ("compiled loop", "gru", False), Endless())
        with pytest.raises(TooSlow, match="after another 9 s"):
            crew.hire(order("compiled loop"), 9)


# --- the command that measures everything ---


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = ROOT / "examples" / "bench" / "cuda.py"
    spec = importlib.util.spec_from_file_location("bench_cuda", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bench_cuda", module)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec.loader.exec_module(module)
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(
        module, "asked", lambda _: {"gpu": GPU, "peak": {"fma": 1.0}, "problems": []}
    )
    monkeypatch.setattr(module, "render", lambda *_, **__: 0)
    return module


def test_time_is_kept_only_for_parts_that_are_wanted(program: ModuleType) -> None:
    assert program.reserved_for(["small calls", "profiles", "sanitizers"]) == program.LEAST_SECONDS
    assert program.reserved_for([]) == 130


def test_everything_goes_wrong_and_is_told(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise RuntimeError("no\nsuch thing")

    for name in ("built", "measure", "save"):
        monkeypatch.setattr(program, name, broken)
    monkeypatch.setattr(program, "program", lambda *_: (1, "Traceback\nit fell over"))
    monkeypatch.setattr(program, "SANITIZER", sys.executable)
    assert program.main(["--suite", "device-compiled", "--out", str(tmp_path)]) == 0
    (file,) = tmp_path.glob("*-nvidia-h200.json")
    checks = json.loads(file.read_text())["checks"]
    assert checks["slow engines"]["text"] == "failed, RuntimeError: no such thing"
    assert "gru_d float32 failed: RuntimeError: no such thing" in checks["builds"]["text"]
    assert "it fell over" in checks["small calls of gru"]["text"]
    assert checks["case gru_d 48,128,33,64 forward"]["text"] == "RuntimeError: no such thing"
    assert checks["racecheck over gru"]["text"] == "no summary (0 calls, exit code 1)"
    assert "finished" in checks


def test_everything_goes_well(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said: list[list[str]] = []

    def fake_program(command: list[str], seconds: float) -> tuple[int, str]:
        said.append(command)
        return 0, "gru even, rows, tape of gates: 1e-7\n========= ERROR SUMMARY: 0 errors\n"

    monkeypatch.setattr(program, "built", lambda *_: 2.0)
    monkeypatch.setattr(program, "program", fake_program)
    monkeypatch.setattr(program, "start_slow_ones", lambda *_: None)
    monkeypatch.setattr(
        program, "measure", lambda case, *_: case_of(case.spec, measured("cuda", 1e-5))
    )
    monkeypatch.setattr(program, "SANITIZER", sys.executable)
    words = ["--suite", "device-ragged", "--skip", "slow engines", "--out", str(tmp_path)]
    assert program.main(words) == 0
    (file,) = tmp_path.glob("*.json")
    found = read(file)
    assert len(found.cases) == 4
    assert found.checks["memcheck over gru_d"]["text"] == "ERROR SUMMARY: 0 errors (1 calls)"
    assert found.checks["small calls of gru"]["text"] == "1 compared with the interpreter, 0 wrong"
    assert [tool for tool in program.TOOLS if any(tool in words for words in said)] == list(
        program.TOOLS
    )


def test_without_time_nothing_is_begun(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(program, "built", lambda *_: 2.0)
    monkeypatch.setattr(program, "program", lambda *_: (1, ""))
    assert program.main(["--minutes", "0.01", "--out", str(tmp_path)]) == 0
    (file,) = tmp_path.glob("*.json")
    checks = read(file).checks
    assert checks["suites"]["text"] == "skipped, no time was left"
