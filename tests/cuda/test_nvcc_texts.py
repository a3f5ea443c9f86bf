"""CUDA's own compiler takes the texts without a warning, and keeps everything in registers."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from emulator.build import INSTALL, find_nvcc
from raced_cells import cell_of

from grugen.driver import bundle
from grugen.toolchain.nvcc import FLAGS

ALL = bool(os.environ.get("GRUGEN_ALL"))
CELLS = ("gru", "gru_d", "lstm", "layernorm_gru", "indrnn", "every_meeting")
KINDS = ("float32 ieee", "float32 3xtf32", "bfloat16 ieee", "float64 ieee", "float32 tf32")
"""Element types and how products over all rows are formed."""
SOME = (("gru_d", KINDS[0]), ("gru_d", KINDS[1]), ("gru", KINDS[2]))
TEXTS = tuple(product(CELLS, KINDS)) if ALL else SOME
THREADS = 256
REGISTERS = 65536
"""Of a processor, from sm_80 on."""
STATIC_SHARED = 48 * 1024
FEW_SPILLS = {"ieee": 32, "tf32": 32, "3xtf32": 64}
"""Bytes, of a kernel over all rows: for one more block at a time ptxas gives up three registers,
and seven for factors in two parts, which a chunk's 48 products or more on tensor cores outweigh."""

pytestmark = pytest.mark.nvcc

OUTPUT = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z13a_step_kernel4call' for 'sm_90'
ptxas info    : Function properties for _Z13a_step_kernel4call
    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 64 registers, used 1 barriers, 2048 bytes smem
ptxas info    : Compile time = 79.331 ms
ptxas info    : Compiling entry function '_Z2up4call' for 'sm_80'
ptxas info    : Function properties for _Z2up4call
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 24 registers, used 0 barriers
"""


@dataclass(frozen=True, slots=True)
class Kernel:
    """What ptxas says of a kernel for one GPU."""

    name: str
    gpu: str
    stack: int
    spills: int
    registers: int
    shared: int


def kernels_of(text: str) -> list[Kernel]:
    found = []
    for part in text.split("Compiling entry function ")[1:]:
        named = re.match(r"'(\w+)' for '(sm_\w+)'", part)
        assert named, part
        memory = re.search(
            r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", part
        )
        used = re.search(r"Used (\d+) registers", part)
        assert memory, part
        assert used, part
        shared = re.search(r"(\d+) bytes smem", part)
        stack, stores, loads = map(int, memory.groups())
        found.append(
            Kernel(
                *named.groups(),
                stack,
                stores + loads,
                int(used[1]),
                int(shared[1]) if shared else 0,
            )
        )
    return found


def test_output_is_understood() -> None:
    assert kernels_of(OUTPUT) == [
        Kernel("_Z13a_step_kernel4call", "sm_90", 8, 16, 64, 2048),
        Kernel("_Z2up4call", "sm_80", 0, 0, 24, 0),
    ]


@pytest.mark.parametrize(("name", "kind"), TEXTS)
def test_registers_are_enough(name: str, kind: str, tmp_path: Path) -> None:
    nvcc = find_nvcc()
    if nvcc is None:
        pytest.skip(f"no nvcc was found\n{INSTALL}")
    element, products = kind.split()
    sources = bundle(cell_of(name), "cuda", element, products)
    for file, text in sources.files:
        (tmp_path / file).write_text(text, encoding="utf-8")
    gpus = [f"--generate-code=arch=compute_{n},code=sm_{n}" for n in (80, 90)]
    flags = [flag for flag in FLAGS if flag != "-shared"]
    checks = ["-Werror", "all-warnings", "-Xptxas", "-v", "-c", sources.main, "-o", "kernels.o"]
    done = subprocess.run(
        [str(nvcc), *flags, *gpus, *checks],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kernels = kernels_of(done.stdout + done.stderr)
    assert {kernel.gpu for kernel in kernels} == {"sm_80", "sm_90"}
    assert any("_step_" in kernel.name for kernel in kernels)
    for kernel in kernels:
        # the model counts on blocks of so many threads, and on memory that the host asks for
        assert kernel.registers * THREADS <= REGISTERS, kernel
        assert kernel.shared <= STATIC_SHARED, kernel
        is_loop = "_step_" in kernel.name
        assert kernel.spills <= (0 if is_loop else FEW_SPILLS[products]), kernel
        assert kernel.stack <= (0 if is_loop else FEW_SPILLS[products]), kernel
