"""What a tile of sequences is made of: sequences, and the lines that its next step wants."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from blocked import tiles_text

from grugen.assets import templates_folder
from grugen.target.schedule import TILE_SEQUENCES

pytestmark = pytest.mark.compiles

STRICT = ("-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-fopenmp", "-Werror")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.mark.parametrize("real", ["float", "double"])
def test_lists_are_clean(real: str, tmp_path: Path) -> None:
    found = subprocess.run(
        ["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    sanitize = SANITIZE if Path(found.stdout.strip()).is_absolute() else ()
    head = (
        f"#define GRUGEN_REAL {real}\n#define GRUGEN_REAL_IS_F32 {int(real == 'float')}\n"
        f"#define GRUGEN_TILE_SEQUENCES {TILE_SEQUENCES}\n#define GRUGEN_BLOCK_BYTES 262144\n"
    )
    text = Path(__file__).with_name("tile_lists.c").read_text(encoding="utf-8")
    (tmp_path / "main.c").write_text(head + tiles_text() + text, encoding="utf-8")
    includes = [f"-I{templates_folder() / name}" for name in ("common", "openmp")]
    command = ["cc", "-std=gnu11", "-O1", "-march=native", *STRICT, *sanitize, *includes]
    subprocess.run([*command, "main.c", "-o", "walk", "-lm"], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "walk"], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr[-4000:] == "clean\n"
