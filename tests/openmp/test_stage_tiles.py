"""The tiles of a stage: every row, unit and sum once, whatever their number and the team's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from blocked import tiles_text

from grugen.assets import templates_folder

pytestmark = pytest.mark.compiles

MARCHES = ("native", "x86-64-v3", "x86-64")
STRICT = ("-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-fopenmp", "-Werror")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def walked(folder: Path, real: str, *flags: str) -> str:
    """What the program says when it is built with `flags`."""
    head = f"#define GRUGEN_REAL {real}\n#define GRUGEN_REAL_IS_F32 {int(real == 'float')}\n"
    text = Path(__file__).with_name("stage_tiles.c").read_text(encoding="utf-8")
    main = folder / "main.c"
    main.write_text(head + tiles_text() + text, encoding="utf-8")
    includes = [f"-I{templates_folder() / name}" for name in ("common", "openmp")]
    command = ["cc", "-std=gnu11", "-O1", "-fno-math-errno", "-fno-trapping-math", *STRICT, *flags]
    subprocess.run([*command, *includes, "main.c", "-o", "walk", "-lm"], cwd=folder, check=True)
    done = subprocess.run([folder / "walk"], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr[-4000:]


@pytest.mark.parametrize("march", MARCHES)
@pytest.mark.parametrize("real", ["float", "double"])
def test_tiles_are_plain_sums(real: str, march: str, tmp_path: Path) -> None:
    if march != "native" and os.uname().machine != "x86_64":
        pytest.skip("an instruction set of another processor")
    if march == "x86-64-v3" and "avx2" not in Path("/proc/cpuinfo").read_text(encoding="ascii"):
        pytest.skip("this processor has no AVX2")
    assert walked(tmp_path, real, f"-march={march}") == "clean\n"


def test_tiles_are_clean(tmp_path: Path) -> None:
    """No read or write outside of panels, operands and sums."""
    found = subprocess.run(
        ["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    if not Path(found.stdout.strip()).is_absolute():
        pytest.skip("the C compiler has no address sanitizer")
    assert walked(tmp_path, "float", "-march=native", *SANITIZE) == "clean\n"
