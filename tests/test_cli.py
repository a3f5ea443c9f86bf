"""The command line: what it prints, what it writes, with which code it exits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grugen.cli import main

SPEC = """\
spec: 1
name: leaky
doc: A leaky integrator.
inputs: {x: [D]}
states: {h: [H]}
params: {W: [H, D]}
equations: |
  a  = tanh(W @ x)
  h' = 0.9 * h + 0.1 * a
outputs: {y: h'}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with leaky.yaml in it, and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRUGEN_CACHE", str(tmp_path / "cache"))
    Path("leaky.yaml").write_text(SPEC)
    return tmp_path


def test_check_reports_shapes_and_loops(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "leaky.yaml"]) == 0
    assert capsys.readouterr().out == (
        "leaky: A leaky integrator.\n"
        "  inputs:    x [D]\n"
        "  states:    h [H]\n"
        "  params:    W [H, D]\n"
        "  outputs:   y [H]\n"
        "\n"
        "  values\n"
        "    a       [H]  all steps at once\n"
        "    h_next  [H]  in the loop of h\n"
        "\n"
        "  matrix products in a loop / all: 0 / 1\n"
        "  loop over h: scan\n"
        "  forward ahead: [W] @ x: 1 sum a unit, "
        "tiles 8x2 (AVX-512), 6x2 (AVX), 8x2 (NEON), 6x2 (SSE2)\n"
        "  backward behind: [W] @ d_a_pre: 1 sum a unit, "
        "tiles 8x2 (AVX-512), 6x2 (AVX), 8x2 (NEON), 6x2 (SSE2)\n"
    )


def test_check_goes_on_after_a_wrong_spec(capsys: pytest.CaptureFixture[str]) -> None:
    Path("wrong.yaml").write_text(SPEC.replace("W @ x", "V @ x"))
    assert main(["check", "wrong.yaml", "gru"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("wrong.yaml:8:13: error: unknown name 'V'\n")
    assert captured.out.startswith("\ngru: ") or captured.out.startswith("gru: ")


def test_check_expand_prints_a_spec_that_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "gru_d_dropout", "--expand"]) == 0
    expanded = capsys.readouterr().out
    assert "extends" not in expanded
    Path("expanded.yaml").write_text(expanded)
    assert main(["check", "expanded.yaml"]) == 0


def test_dump_after_a_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dump", "leaky.yaml", "--after", "from-spec", "--dtype", "float64"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("// ---- 00 from-spec\nstep leaky {\n  input x: f64[D]\n")
    assert "W_x: f64[H]    = matvec W, x" in out


def test_dump_after_an_unknown_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dump", "leaky.yaml", "--after", "simplfy"]) == 2
    assert capsys.readouterr().err == (
        "there is no pass 'simplfy'\nhelp: did you mean 'simplify'?\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bild", "gru"], "help: did you mean 'build'?"),
        (["build", "gru", "--target", "opnmp"], "help: did you mean 'openmp'?"),
        (["build"], "the following arguments are required: SPEC"),
    ],
)
def test_wrong_words(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_unknown_spec(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "gruu"]) == 1
    assert capsys.readouterr().err == (
        "gruu: no such file and no shipped spec of this name\nhelp: did you mean 'gru'?\n"
    )


@pytest.mark.compiles
def test_built_module_is_imported_and_runs(place: Path) -> None:
    assert main(["build", "leaky.yaml", "--target", "openmp"]) == 0
    program = (
        "import numpy as np, generated.leaky as leaky\n"
        "cell = leaky.Cell(D=2, H=3, seed=0)\n"
        "run = cell.forward(x=np.ones((4, 1, 2), np.float32), tape=True)\n"
        "print(run.outputs['y'].shape, sorted(cell.backward(run).params))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=place
    )
    assert done.stdout == "(4, 1, 3) ['W']\n"


@pytest.mark.compiles
def test_build_check_shows_what_is_stale(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "leaky.yaml", "--target", "sequential"]) == 0
    assert main(["build", "leaky.yaml", "--target", "sequential", "--check"]) == 0
    header = Path("generated/leaky/sequential/leaky_f32.h")
    header.write_text(header.read_text().replace("#pragma once", "#pragma twice"))
    capsys.readouterr()
    assert main(["build", "leaky.yaml", "--target", "sequential", "--check"]) == 1
    captured = capsys.readouterr()
    assert "-#pragma twice\n+#pragma once\n" in captured.out
    assert captured.err == (
        "help: run  grugen build leaky.yaml --target sequential --dtype float32 --out generated\n"
    )
    assert header.read_text().count("#pragma twice") == 1


@pytest.mark.compiles
def test_second_dtype_joins_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    for dtype in ("float32", "float64"):
        assert main(["build", "leaky.yaml", "--target", "openmp", "--dtype", dtype]) == 0
    module = Path("generated/leaky/__init__.py").read_text()
    assert "('openmp', 'float32'), ('openmp', 'float64')" in module
    assert "generated/leaky: openmp float64, " in capsys.readouterr().out


def test_missing_compiler(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setenv("NVCC", "no-such-nvcc")
    assert main(["build", "leaky.yaml"]) == 3
    assert capsys.readouterr().err.startswith(
        "no C compiler was found: CC is 'no-such-compiler', and there is no program"
    )
    assert not Path("generated").exists()


@pytest.mark.compiles
def test_all_targets_are_those_with_a_compiler(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NVCC", "no-such-nvcc")
    assert main(["build", "leaky.yaml"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "left out: target cuda: no CUDA compiler was found: NVCC is 'no-such-nvcc', and there is "
        "no program 'no-such-nvcc'\ngenerated/leaky: sequential, openmp float32, "
    )
    assert not Path("generated/leaky/cuda").exists()
    assert "    arch=" not in Path("generated/leaky/__init__.py").read_text()
    assert main(["build", "leaky.yaml", "--check"]) == 0


def test_cuda_without_its_compiler(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NVCC", "no-such-nvcc")
    assert main(["build", "leaky.yaml", "--target", "cuda"]) == 3
    assert capsys.readouterr().err.startswith("no CUDA compiler was found: NVCC is 'no-such-nvcc'")
    assert not Path("generated").exists()


def test_targets_without_bfloat16(capsys: pytest.CaptureFixture[str]) -> None:
    for target in ("sequential", "openmp"):
        words = ["build", "leaky.yaml", "--target", target, "--dtype", "bfloat16"]
        assert main(words) == 2
        assert capsys.readouterr().err == (
            f"target '{target}' has no bfloat16; it offers 'float32' and 'float64'\n"
            "help: target='cuda' has it\n"
        )
    assert not Path("generated").exists()


def test_wrong_arch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "leaky.yaml", "--target", "cuda", "--arch", "90"]) == 2
    assert capsys.readouterr().err == (
        "arch is '90'; 'native' or names of GPU architectures such as 'sm_80,sm_90' are needed\n"
    )


def test_wrong_products(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["build", "leaky.yaml", "--target", "cuda", "--products"]
    assert main([*words, "tf16"]) == 2
    assert capsys.readouterr().err == ("products is 'tf16'; 'ieee', 'tf32' or '3xtf32' is needed\n")
    for target, dtype in (("all", "float32"), ("openmp", "float32"), ("cuda", "float64")):
        command = ["build", "leaky.yaml", "--target", target, "--dtype", dtype]
        assert main([*command, "--products", "tf32"]) == 2
        assert capsys.readouterr().err == (
            "products is 'tf32', which only float32 of target 'cuda' has; this is "
            f"{dtype} of target '{target}'\n"
            "help: leave products out, or name that target and dtype\n"
        )
    assert not Path("generated").exists()


def pretended_nvcc(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that takes everything."""
    nvcc = place / "nvcc"
    nvcc.write_text(
        "#!/bin/sh\n"
        'case "$*" in *--list-gpu-code*) echo sm_90 ;; *--version*) echo release 1 ;; esac\n'
        'for last; do :; done\necho "$*" >> calls\necho x > "$last"\n'
    )
    nvcc.chmod(0o755)
    monkeypatch.setenv("NVCC", str(nvcc))


@pytest.mark.compiles
def test_products_are_recorded(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretended_nvcc(place, monkeypatch)
    words = ["build", "leaky.yaml", "--target", "cuda", "--products", "3xtf32"]
    assert main(words) == 0
    init, main_file = (Path("generated/leaky") / n for n in ("__init__.py", "cuda/leaky_f32.cu"))
    assert "    arch='native',\n    products='3xtf32',\n" in init.read_text()
    assert "\n#define GRUGEN_PRODUCTS GRUGEN_3XTF32\n" in main_file.read_text()
    assert main([*words, "--check"]) == 0
    # what is built beside it leaves it as it is
    others = (["--target", "cuda", "--dtype", "float64"], ["--target", "openmp"])
    for other in others:
        assert main(["build", "leaky.yaml", *other]) == 0
        assert "    products='3xtf32',\n" in init.read_text()
        assert "\n#define GRUGEN_PRODUCTS GRUGEN_3XTF32\n" in main_file.read_text()
    double = Path("generated/leaky/cuda/leaky_f64.cu").read_text()
    assert "\n#define GRUGEN_PRODUCTS GRUGEN_IEEE\n" in double
    program = "import generated.leaky as g; print(g.MODULE.products)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=place
    )
    assert done.stdout == "3xtf32\n"
    main_file.write_text("")
    capsys.readouterr()
    assert main([*words, "--check"]) == 1
    assert capsys.readouterr().err == (
        "help: run  grugen build leaky.yaml --target cuda --dtype float32 --out generated "
        "--products 3xtf32\n"
    )
    assert main(["build", "leaky.yaml", "--target", "cuda"]) == 0
    assert "products=" not in init.read_text()


def test_cuda_is_built_without_a_gpu(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretended_nvcc(place, monkeypatch)
    words = ["build", "leaky.yaml", "--target", "cuda", "--arch", "sm_90"]
    assert main(words) == 0
    assert {path.name for path in Path("generated/leaky/cuda").iterdir()} >= {
        *("leaky_f32.cu", "leaky_f32.h", "leaky_f32_abi.h", "grugen_host.cuh"),
    }
    module = Path("generated/leaky/__init__.py").read_text()
    assert "    builds=(('cuda', 'float32'),),\n    march='native',\n    arch='sm_90',\n" in module
    assert main([*words, "--check"]) == 0
    Path("generated/leaky/cuda/leaky_f32.cu").write_text("")
    capsys.readouterr()
    assert main([*words, "--check"]) == 1
    assert capsys.readouterr().err == (
        "help: run  grugen build leaky.yaml --target cuda --dtype float32 --out generated "
        "--arch sm_90\n"
    )


def test_bfloat16_is_built_beside_others(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretended_nvcc(place, monkeypatch)
    assert main(["build", "leaky.yaml", "--target", "cuda"]) == 0
    capsys.readouterr()
    # of all targets there is but one
    assert main(["build", "leaky.yaml", "--dtype", "bfloat16"]) == 0
    assert capsys.readouterr().out.startswith(
        "left out: targets sequential, openmp: they have no bfloat16\n"
        "generated/leaky: cuda bfloat16, "
    )
    assert main(["build", "leaky.yaml", "--dtype", "bfloat16", "--check"]) == 0
    folder = Path("generated/leaky/cuda")
    assert {path.name for path in folder.iterdir()} >= {
        *("leaky_f32.cu", "leaky_bf16.cu", "leaky_bf16.h", "leaky_bf16_abi.h"),
    }
    declared = (folder / "leaky_bf16_abi.h").read_text()
    assert "const void *x; // (T, B, D) of bfloat16\n" in declared
    assert "const float *h; // (B, H)\n" in declared
    module = Path("generated/leaky/__init__.py").read_text()
    assert "('cuda', 'bfloat16')" in module
    assert "('cuda', 'float32')" in module


@pytest.mark.compiles
def test_folder_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    Path("taken").write_text("a file, not a folder")
    assert main(["build", "leaky.yaml", "--target", "sequential", "--out", "taken"]) == 3
    assert capsys.readouterr().err == (
        f"cannot write '{Path('taken/leaky/sequential/leaky_f32.c')}': Not a directory\n"
        "help: name a folder that can be written with --out\n"
    )


@pytest.mark.compiles
def test_two_processes_build_at_once(place: Path) -> None:
    command = [sys.executable, "-m", "grugen", "build", "leaky.yaml", "--target", "openmp"]
    both = [subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert main(["build", "leaky.yaml", "--target", "openmp", "--check"]) == 0
    left_over = [path for path in (place / "generated").rglob(".*")]
    assert left_over == []


def test_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m grugen dump gru_d | head -n 1"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stderr == ""


def test_output_that_cannot_be_written() -> None:
    command = f"{sys.executable} -m grugen check gru > /dev/full"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == "cannot write the output: No space left on device\n"
    assert done.returncode == 3


def test_check_notes_products_under_a_select(capsys: pytest.CaptureFixture[str]) -> None:
    Path("held.yaml").write_text(
        SPEC.replace("leaky", "held").replace("0.9 * h + 0.1 * a", "where(x @ x > 1, a, h)")
    )
    assert main(["check", "held.yaml"]) == 0
    assert capsys.readouterr().out.endswith(
        "  note: W @ x stands in a branch of where: its operand must be finite in every element, "
        "selected or not\n"
    )
