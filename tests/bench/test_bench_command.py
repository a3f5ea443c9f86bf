"""`grugen bench` from the words to the files, with real worker processes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import samples

from grugen.bench.command import thread_counts
from grugen.bench.results import read, write
from grugen.bench.roster import ENTRIES, Entry, entries_of
from grugen.bench.workers import Failed, Order, Skipped, TooSlow, Worker, environment_of
from grugen.cli import main
from grugen.errors import UsageError

SPEC = """\
spec: 1
name: leaky
inputs: {x: [D]}
states: {h: [H]}
params: {W: [H, D], U: [H, H]}
equations: |
  h' = 0.9 * h + 0.1 * tanh(W @ x + U @ h)
outputs: {y: h'}
"""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--suite", "clinicl"], "there is no suite 'clinicl'\nhelp: did you mean 'clinical'?"),
        (["--engines", "opnmp"], "there is no engine 'opnmp'\nhelp: did you mean 'openmp'?"),
        (["--spec", "gru"], "--shape and --spec belong together"),
        (["--spec", "gru", "--shape", "1,2"], "'1,2' is no shape"),
        (["--threads", "0"], "threads is 0; a whole number of at least 1 is needed"),
        (["--repeats", "0"], "--repeats, --seconds and --build-seconds must be more than 0"),
        (["--render", "nothing.json"], "cannot read 'nothing.json'"),
    ],
)
def test_wrong_words(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *words]) == 2
    assert capsys.readouterr().err.startswith(message)


def test_a_shape_that_does_not_fit_is_known_before_anything_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "--spec", "gru", "indrnn", "--shape", "2,1,3,4", "2,1,3"]) == 2
    assert capsys.readouterr().err == (
        "the shape 2,1,3 does not fit 'gru'\nhelp: its shapes are T,B,D,H\n"
    )


def test_unknown_spec(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "gruu"]) == 1
    assert "did you mean 'gru'?" in capsys.readouterr().err


def test_numbers_of_threads() -> None:
    assert thread_counts(1) == (1,)
    assert thread_counts(2) == (1, 2)
    assert thread_counts(6) == (1, 2, 4, 6)


def test_what_is_not_installed_is_named() -> None:
    entry = Entry("other", "other:build", ("no_such_package", "nor_this"))
    assert entry.missing() == "no_such_package and nor_this not installed"
    with pytest.raises(Skipped, match="not installed"):
        Worker(Order(entry, "gru", Path("none.npz"), False, 1), 9)
    assert entries_of(["sequential"])[0].missing() == ""


def test_engines_are_called_by_their_names() -> None:
    with pytest.raises(UsageError, match="the engines are 'sequential', 'openmp', "):
        entries_of(["zzzzzz"])
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)


def test_worker_that_breaks(tmp_path: Path) -> None:
    entry = Entry("broken", "own:no_such_function")
    with pytest.raises(Failed, match="no_such_function"):
        Worker(Order(entry, "gru", tmp_path / "none.npz", False, 1), 30)


def test_worker_that_takes_too_long(tmp_path: Path) -> None:
    order = Order(entries_of(["openmp"])[0], "gru", tmp_path / "none.npz", False, 1)
    with pytest.raises(TooSlow, match="within 0 s"):
        Worker(order, 0.0)


@pytest.mark.compiles
def test_a_tiny_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("leaky.yaml").write_text(SPEC)
    words = ["--spec", "leaky.yaml", "--shape", "5,3,4,6", "--engines", "sequential,openmp,torch"]
    limits = ["--repeats", "3", "--seconds", "0.1", "--threads", "2", "--out", "results"]
    assert main(["bench", *words, *limits, "--table"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("Forward, microseconds a call (median)\n\n| cell ")
    (file,) = Path("results").glob("*.json")
    report = read(file)
    assert [case.mode for case in report.cases] == ["forward", "training"]
    for case in report.cases:
        found = {(one.engine, one.threads): one for one in case.engines}
        for key in (("sequential", 1), ("openmp", 1), ("openmp", 2)):
            one = found[key]
            assert one.status == "measured"
            assert one.error is not None
            assert one.error < 1e-6
            assert 0 < one.times.minimum <= one.seconds <= one.times.maximum  # type: ignore[union-attr]
        # there is no loop by hand beside this spec
        assert found["torch", 2].status == "skipped"
    assert report.peak["1"] > 0
    assert main(["bench", "--render", str(file), "--table"]) == 0
    assert capsys.readouterr().out == captured.out == file.with_suffix(".md").read_text()


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_pictures(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    cases = tuple(samples.case(batch=batch) for batch in (1, 2, 4))
    write(replace(samples.report(), cases=cases), file)
    assert main(["bench", "--render", str(file), "--plot"]) == 0
    assert file.with_suffix(".png").stat().st_size > 1000
    assert (tmp_path / "result-batches.png").stat().st_size > 1000


def test_no_heavy_package_is_imported_by_the_command_line() -> None:
    program = "import sys, grugen.cli; print({'torch', 'jax', 'matplotlib'} & set(sys.modules))"
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_threads_stay_on_their_processors_unless_the_user_says_otherwise() -> None:
    found = environment_of(3, {"HOME": "here", "OMP_NUM_THREADS": "9"})
    assert (found["HOME"], found["OMP_NUM_THREADS"], found["OMP_PROC_BIND"]) == (
        "here",
        "3",
        "true",
    )
    assert environment_of(3, {"OMP_PROC_BIND": "false"})["OMP_PROC_BIND"] == "false"
