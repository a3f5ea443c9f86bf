"""Libraries and generated folders: loading, rebuilding, threads of Python, threads of a call."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import leak
import numpy as np
import pytest

from grugen.errors import InternalError, ToolchainError, UsageError
from grugen.runtime import (
    CellModule,
    CompiledEngine,
    compiled_engine,
    generated_module,
    loading,
)
from grugen.runtime.engine import MOST_FORMS
from grugen.runtime.threads import default_threads, get_num_threads, set_num_threads
from grugen.toolchain.build import build

C = np.ones(3, np.float32)


@pytest.fixture
def generated(tmp_path: Path) -> CellModule:
    """A folder as `grugen build` leaves it, with float32 sources for openmp."""
    folder = tmp_path / "leak"
    (folder / "openmp").mkdir(parents=True)
    (folder / "leak.yaml").write_text(leak.SPEC)
    for dtype in ("float32", "float64"):
        for name, text in leak.bundle(dtype).files:
            (folder / "openmp" / name).write_text(text)
    return generated_module(
        str(folder / "__init__.py"),
        interface=leak.INTERFACE,
        spec="leak.yaml",
        digest="",
        builds=(("openmp", "float32"),),
    )


@pytest.mark.compiles
def test_generated_module_builds_from_its_folder(
    generated: CellModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRUGEN_CACHE", str(tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()
    cell = generated.Cell(D=3, c=C)
    assert (cell.target, cell.dtype) == ("openmp", np.float32)
    (built,) = (tmp_path / "cache" / "libraries").iterdir()
    names = {path.name for path in built.iterdir()}
    assert {"leak_f32.c", "leak_f32.so"} <= names
    assert "leak_f64.c" not in names
    assert cell.forward(x=np.ones((2, 1, 3), np.float32)).outputs["y"].shape == (2, 1, 3)


def test_generated_module_interprets_its_spec(generated: CellModule) -> None:
    cell = generated.Cell(D=3, c=np.ones(3), target="numpy")
    assert cell.dtype == np.float64
    run = cell.forward(x=np.ones((2, 1, 3)), tape=True)
    assert set(cell.backward(run).params) == {"w", "b"}


def test_what_was_not_generated(generated: CellModule) -> None:
    for target, dtype in (("openmp", "float64"), ("sequential", "float32")):
        with pytest.raises(UsageError) as caught:
            generated.Cell(D=3, c=C.astype(dtype), target=target, dtype=dtype)
        assert str(caught.value) == (
            f"'leak' was not generated for target '{target}' and {dtype}\n"
            f"help: run  grugen build leak.yaml --target {target} --dtype {dtype}"
        )


@pytest.mark.parametrize(
    ("builds", "target"),
    [
        ((("sequential", "float32"), ("openmp", "float64")), "openmp"),
        ((("cuda", "float32"), ("sequential", "float32")), "sequential"),
        ((("cuda", "float32"),), "cuda"),
        ((), "numpy"),
    ],
)
def test_default_target(builds: Any, target: str) -> None:
    module = generated_module(__file__, interface=leak.INTERFACE, spec="", digest="", builds=builds)
    assert module._default_target == target


def test_missing_sources(generated: CellModule, tmp_path: Path) -> None:
    (tmp_path / "leak/openmp/leak_f32.c").unlink()
    with pytest.raises(UsageError) as caught:
        generated.Cell(D=3, c=C)
    assert str(caught.value) == (
        f"generated sources are missing: {tmp_path}/leak/openmp/leak_f32.c: "
        "No such file or directory\nhelp: run  grugen build  again"
    )


def test_sources_of_another_spec(tmp_path: Path) -> None:
    folder = tmp_path / "leak"
    (folder / "openmp").mkdir(parents=True)
    for name, text in leak.bundle("float32").files:
        (folder / "openmp" / name).write_text(text)
    module = generated_module(
        str(folder / "__init__.py"),
        interface=leak.INTERFACE,
        spec="leak.yaml",
        digest="0123456789abcdef",
        builds=(("openmp", "float32"),),
    )
    with pytest.raises(UsageError) as caught:
        module.Cell(D=3, c=C)
    assert str(caught.value) == (
        f"'{folder}/openmp/leak_f32.c' was generated from another spec than the module beside it\n"
        "help: run  grugen build leak.yaml"
    )


@pytest.mark.compiles
def test_library_that_cannot_be_loaded_is_built_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def fake_build(bundle: Any, options: Any, *, afresh: bool = False) -> Path:
        asked.append(afresh)
        path = build(bundle, options)
        if not afresh or broken_for_good:
            path = path.with_name("broken.so")
            path.write_text("not a library")
        return path

    monkeypatch.setattr(loading, "build", fake_build)
    arguments = leak.bundle("float32"), leak.INTERFACE, "openmp", np.dtype("float32")
    broken_for_good = False
    assert isinstance(compiled_engine(*arguments), CompiledEngine)
    assert asked == [False, True]
    broken_for_good = True
    with pytest.raises(ToolchainError, match=r"^a library was built but cannot be loaded: "):
        compiled_engine(*arguments)


@pytest.mark.compiles
def test_interface_of_another_cell() -> None:
    interface = dataclasses.replace(leak.INTERFACE, backward=leak.INTERFACE.forward)
    with pytest.raises(InternalError, match=r"leak_f32\.so does not fit its interface: 'x'"):
        compiled_engine(leak.bundle("float32"), interface, "openmp", np.dtype("float32"))


@pytest.mark.compiles
def test_dims_that_do_not_agree() -> None:
    interface = dataclasses.replace(leak.INTERFACE, dims=("D", "H"))
    with pytest.raises(InternalError, match="leak_f32_forward_call has 1 dims, the interface 2"):
        compiled_engine(leak.bundle("float32"), interface, "openmp", np.dtype("float32"))


def test_engines_are_made_when_needed_and_once() -> None:
    made: list[tuple[str, str]] = []

    def engine(target: str, dtype: np.dtype[Any]) -> Any:
        made.append((target, dtype.name))
        return leak.engine("numpy", dtype)

    module = CellModule(leak.interface("numpy"), engine, "numpy", "float32")
    with pytest.raises(UsageError):
        module.Cell(D=3)
    assert made == []
    for _ in range(2):
        module.Cell(D=3, c=C)
    module.Cell(D=3, c=C.astype(np.float64), dtype=np.float64, target="openmp")
    assert made == [("numpy", "float32"), ("openmp", "float64")]


@pytest.mark.compiles
def test_calls_from_many_threads() -> None:
    cell = leak.module("openmp").Cell(D=3, c=C, seed=0)
    generator = np.random.default_rng(0)
    # different sizes, so that workspaces grow in different orders
    inputs = [generator.normal(size=(20, 1 + 7 * i % 40, 3)).astype(np.float32) for i in range(40)]

    def both(x: Any) -> tuple[Any, Any]:
        run = cell.forward(x=x, tape=True)
        return run.outputs["y"], cell.backward(run, outputs={"y": x}).inputs["x"]

    expected = [both(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for (y, dx), (wanted_y, wanted_dx) in zip(pool.map(both, inputs), expected, strict=True):
            np.testing.assert_array_equal(y, wanted_y)
            np.testing.assert_array_equal(dx, wanted_dx)


@pytest.mark.compiles
def test_calls_of_one_form_may_run_at_once() -> None:
    """Each has a C struct of its own, and what a call was given is gone from it in the next."""
    cell = leak.module("openmp").Cell(D=3, c=C, seed=0)
    inputs = [np.full((50, 4, 3), i, np.float32) for i in range(200)]
    expected = [cell.forward(x=x).outputs["y"] for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda x: cell.forward(x=x).outputs["y"], inputs))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.compiles
def test_forms_of_calls_are_forgotten_in_the_end() -> None:
    cell = leak.module("openmp").Cell(D=3, c=C, seed=0)
    for steps in range(1, 2 * MOST_FORMS):
        x = np.ones((steps, 1, 3), np.float32)
        for lengths in (None, np.array([steps - 1])):
            run = cell.forward(x=x, lengths=lengths, reverse=bool(steps % 2))
            assert run.outputs["y"].shape == x.shape
            assert np.any(run.outputs["y"][-1]) == (lengths is None)
    assert 0 < len(cell._calls._forward) <= MOST_FORMS


@pytest.mark.compiles
def test_plans_have_the_threads_that_openmp_granted() -> None:
    code = (
        "import numpy as np, grugen\n"
        "cell = grugen.load('gru').Cell(D=3, H=300, seed=0)\n"
        "for batch in (1, 64):\n"
        "    run = cell.forward(x=np.ones((20, batch, 3), np.float32), threads=3, tape=True)\n"
        "    grads = cell.backward(run, threads=3)\n"
        "    print(run.plan.name, run.plan.threads, grads.plan.threads)\n"
    )
    for limit, granted in (("2", 2), ("1", 1), ("8", 3)):
        environment = {**os.environ, "OMP_THREAD_LIMIT": limit}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"units {granted} {granted}\nrows {granted} {granted}\n"


@pytest.mark.compiles
def test_calls_release_the_interpreter_lock() -> None:
    # this k makes the kernel wait until x[0] is written, which takes another thread
    cell = leak.module("openmp").Cell(D=3, c=C, k=777, seed=0)
    x = np.zeros((1, 1, 3), np.float32)
    writer = threading.Timer(0.1, lambda: x.fill(1))
    writer.start()
    y = cell.forward(x=x).outputs["y"]
    writer.join()
    np.testing.assert_allclose(y, 1 + cell.params["b"])


def test_number_of_threads() -> None:
    before = get_num_threads()
    try:
        set_num_threads(7)
        assert get_num_threads() == 7
        with pytest.raises(UsageError, match=r"^threads is 0; a whole number of at least 1 is"):
            set_num_threads(0)
        assert get_num_threads() == 7
    finally:
        set_num_threads(before)


@pytest.mark.parametrize(
    ("environment", "texts", "threads"),
    [
        ({"OMP_NUM_THREADS": "3,2"}, {}, 3),
        ({"OMP_NUM_THREADS": "many"}, {}, 64),
        ({"OMP_NUM_THREADS": "0"}, {}, 64),
        ({}, {}, 64),
        ({}, {"a/b/cpu.max": "max 100000\n"}, 64),
        ({}, {"a/b/cpu.max": "250000 100000\n"}, 2),
        ({}, {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "400000 100000"}, 4),
        ({}, {"cpu.max": "50000 100000\n"}, 1),
        ({}, {"cpu,cpuacct/b/cpu.cfs_quota_us": "-1", "cpu,cpuacct/b/cpu.cfs_period_us": "1"}, 64),
        ({}, {"cpu,cpuacct/cpu.cfs_quota_us": "300", "cpu,cpuacct/cpu.cfs_period_us": "100"}, 3),
    ],
)
def test_default_threads(
    environment: dict[str, str],
    texts: dict[str, str],
    threads: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(64)))
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("2:cpu,cpuacct:/b\n0::/a/b\n")
    for name, text in texts.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert default_threads(environment, tmp_path) == threads
