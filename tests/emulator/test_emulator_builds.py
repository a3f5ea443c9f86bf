"""Where compilers and headers are looked for, what failures say, and that nvcc takes the texts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from emulator import build
from emulator.conftest import KERNELS, Built


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing that was found before is remembered, nor what this test finds."""
    monkeypatch.setattr(build, "find_headers", build.find_headers.__wrapped__)
    monkeypatch.setattr(build, "compiler", build.compiler.__wrapped__)
    return monkeypatch


def test_missing_headers_are_named(fresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "include" / "crt").mkdir(parents=True)
    (tmp_path / "include" / "crt" / "host_defines.h").touch()
    fresh.setattr(build, "compiler", lambda: "g++")
    fresh.setattr(build, "_header_folders", lambda: iter([tmp_path / "include"]))
    reason = build.unavailable()
    assert reason.startswith("no CUDA headers were found; looked in\n")
    assert f"  {tmp_path}/include: no cuda_runtime_api.h, cuda_bf16.h, nv/target\n" in reason
    assert build.INSTALL in reason


def test_headers_of_the_named_toolkit_come_first(fresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("cuda_runtime_api.h", "crt/host_defines.h", "cuda_bf16.h", "cccl/nv/target"):
        header = tmp_path / "include" / name
        header.parent.mkdir(parents=True, exist_ok=True)
        header.touch()
    fresh.setenv("CUDA_HOME", str(tmp_path))
    assert build.find_headers() == tmp_path / "include"


def test_missing_compiler_is_named(fresh: pytest.MonkeyPatch) -> None:
    fresh.setenv("CXX", "no-such-compiler")
    assert "there is no 'no-such-compiler' on PATH" in build.unavailable()


@pytest.mark.compiles
def test_failure_shows_command_and_lines(built: Built, tmp_path: Path) -> None:
    built("block_bugs", "plain")
    source = tmp_path / "wrong.cu"
    source.write_text("#include <cuda_runtime.h>\n__global__ void f() { nothing(); }\n")
    with pytest.raises(build.CompilationError, match=r"wrong\.cu:2:") as caught:
        build.compile_library(source, "plain", tmp_path)
    assert "-std=c++17" in str(caught.value)


@pytest.mark.compiles
def test_definitions_make_other_libraries(built: Built, tmp_path: Path) -> None:
    built("block_bugs", "plain")
    source = tmp_path / "defined.cu"
    source.write_text(
        "#include <cuda_runtime.h>\n"
        'extern "C" __attribute__((visibility("default"))) int value() { return VALUE; }\n'
    )
    libraries = [build.compile_library(source, "plain", tmp_path, [f"VALUE={n}"]) for n in (1, 2)]
    assert [build._loaded(library).value() for library in libraries] == [1, 2]


@pytest.mark.nvcc
@pytest.mark.parametrize("stem", ["features", "gru", "host", "matrices", "memory_bugs", "relay"])
def test_nvcc_takes_the_same_text(stem: str, tmp_path: Path) -> None:
    path = KERNELS / f"{stem}.cu"
    nvcc = build.find_nvcc()
    if nvcc is None or shutil.which("g++") is None:
        pytest.skip(f"no nvcc was found\n{build.INSTALL}")
    command = [*build.nvcc_command(nvcc), "-c", str(path), "-o", str(tmp_path / "kernel.o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
