"""Libraries for other CPUs than this one, and for several at once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import grugen
import grugen.runtime.library as library_module
import grugen.toolchain.recipes as recipes
from grugen.cli import main
from grugen.driver import bundle, compile_spec
from grugen.errors import ToolchainError, UsageError
from grugen.toolchain.build import BuildOptions, SourceBundle, build
from grugen.toolchain.cpu import instructions
from grugen.toolchain.march import X86_LEVELS, levels_of, machine

needs_levels = pytest.mark.skipif(not levels_of(machine()), reason="one level on this machine")


def test_levels_of() -> None:
    assert levels_of("x86_64") == levels_of("AMD64") == X86_LEVELS
    assert levels_of("aarch64") == ()


def test_instructions(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nflags: xop\n")
    assert instructions(cpuinfo) == {"fpu", "avx2"}
    cpuinfo.write_text("processor : 0\nFeatures : fp asimd\n")
    assert instructions(cpuinfo) == {"fp", "asimd"}
    assert instructions(tmp_path / "missing") is None


@pytest.mark.parametrize("march", ["", "-mavx2", "a b", 3, None])
def test_march_that_is_none(march: object) -> None:
    with pytest.raises(UsageError) as caught:
        grugen.load("gru", march=march)  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"march is {march!r}; 'native', 'baseline', 'levels' or what -march= of the C compiler "
        "takes is needed"
    )


def test_commands_of_levels(
    bundle: SourceBundle,
    environment: dict[str, str],
    fake_compiler: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment["CC"] = fake_compiler("for last; do :; done\necho x > three.so\n")
    flags = "-fopenmp -ffp-contract=fast -fno-math-errno -fno-trapping-math -Wall -Wextra"

    def commands(march: str) -> list[str]:
        log = build(bundle, BuildOptions(march), environment=environment).with_name("build.txt")
        lines = log.read_text().splitlines()
        return [line.split(" ", 2)[2] for line in lines if line.startswith("command: ")]

    monkeypatch.setattr(recipes, "machine", lambda: "x86_64")
    assert commands("levels") == [
        f"-std=c11 -O3 -fPIC {flags} -march=x86-64-{level} "
        f"-DGRUGEN_LEVEL=_{level} -c three.c -o three_{level}.o"
        for level in ("v2", "v3", "v4")
    ] + [
        f"-std=c11 -O3 -fPIC -shared {flags} -march=x86-64-v2 "
        "three_levels.c three_v2.o three_v3.o three_v4.o -o three.so -lm"
    ]
    monkeypatch.setattr(recipes, "machine", lambda: "aarch64")
    alone = [f"-std=c11 -O3 -fPIC -shared {flags} three.c -o three.so -lm"]
    assert commands("levels") == commands("baseline") == alone


@pytest.mark.compiles
def test_a_compiler_that_does_not_know_the_word() -> None:
    module = grugen.load("gru", march="pdp11")
    with pytest.raises(ToolchainError, match=r"(?s)failed on gru_f32.c .* -march=pdp11 "):
        module.Cell(D=1, H=1)


@pytest.mark.compiles
def test_a_library_that_this_cpu_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    march = "x86-64-v3" if levels_of(machine()) else "armv8.2-a+dotprod"
    built = build(bundle(compile_spec("mgu"), "openmp", "float32"), BuildOptions(march))
    present = instructions()
    assert present is not None
    lacking = ["fma", "avx2"] if levels_of(machine()) else ["asimddp"]
    monkeypatch.setattr(library_module, "instructions", lambda: present - set(lacking))
    with pytest.raises(ToolchainError) as caught:
        grugen.load("mgu", march=march).Cell(D=1, H=1)
    assert str(caught.value) == (
        f"the library '{built}' needs instructions that this CPU lacks: {', '.join(lacking)}\n"
        "help: build it here with march='native', or for any CPU of its kind with "
        "march='baseline' or march='levels'"
    )
    # a system that does not tell is trusted
    monkeypatch.setattr(library_module, "instructions", lambda: None)
    grugen.load("mgu", march=march).Cell(D=1, H=1)


@pytest.mark.compiles
@needs_levels
def test_levels_in_one_library(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = bundle(compile_spec("mgu"), "openmp", "float32")
    path = build(sources, BuildOptions("levels", extra=("-Werror",)))
    names = subprocess.run(["nm", "-D", path], capture_output=True, text=True, check=True).stdout
    for ending in ("", "_v2", "_v3", "_v4"):
        for function in ("forward", "backward", "forward_pack", "backward_workspace", "needs"):
            assert f" mgu_f32_{function}{ending}\n" in names
    x = np.random.default_rng(0).standard_normal((5, 3, 7), np.float32)
    cells = {
        march: grugen.load("mgu", march=march).Cell(D=7, H=19, seed=0)
        for march in ("native", "levels", "baseline")
    }
    runs = {march: cell.forward(x=x, tape=True) for march, cell in cells.items()}
    grads = {
        march: cell.backward(runs[march], outputs={"y": x[..., :1] + np.zeros(19, np.float32)})
        for march, cell in cells.items()
    }
    for march in ("levels", "baseline"):
        same = runs[march].outputs["y"], runs["native"].outputs["y"]
        np.testing.assert_allclose(*same, 1e-5, 1e-6)
        same = grads[march].inputs["x"], grads["native"].inputs["x"]
        np.testing.assert_allclose(*same, 1e-4, 1e-6)
    # a CPU of the lowest level runs it, too
    lowest = {"pni", "ssse3", "sse4_1", "sse4_2", "popcnt"}
    monkeypatch.setattr(library_module, "instructions", lambda: frozenset(lowest))
    grugen.load("mgu", march="levels").Cell(D=7, H=19)


@pytest.mark.compiles
def test_a_generated_module_keeps_its_march(tmp_path: Path) -> None:
    out = str(tmp_path)
    build_it = ["build", "mgu", "--target", "sequential", "--out", out, "--march", "baseline"]
    assert main(build_it) == 0
    assert "    march='baseline',\n" in (tmp_path / "mgu" / "__init__.py").read_text()
    assert main([*build_it, "--check"]) == 0
