"""Finds CUDA's compiler and knows the flags it is called with; no GPU is needed to build.

A toolkit has it, and so have the packages of PyPI, which no program is put on PATH for.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grugen.errors import ToolchainError
from grugen.toolchain.cache import Cache
from grugen.toolchain.command import run_command
from grugen.toolchain.records import PROBE_SECONDS, Lookout, Record, first_lines

FLAGS = (
    *("-std=c++17", "-O3", "-shared", "-Xcompiler", "-fPIC"),
    # denormals are 0 as in all kernels; division and roots stay those of IEEE, nvcc's default
    "-ftz=true",
)
"""The same for every library; the GPUs come on top. CUDA's runtime is linked in: the default."""

TELLING = ("NVCC_CCBIN", "NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS")
"""The variables that nvcc takes its host compiler and more flags from."""

TOOLKIT = Path("/usr/local/cuda")
INSTALL = (
    "install CUDA's toolkit, or its compiler with pip (pip install nvidia-cuda-nvcc "
    "nvidia-cuda-cccl), or set NVCC to one that works"
)
HOST = (
    "nvcc needs a C++ compiler beside it: install g++ (Debian: apt-get install g++), or set "
    "NVCC_CCBIN to one"
)

_PROBE = """\
#include <cooperative_groups.h>
#include <cuda_runtime.h>
__global__ void fill(float *to) { to[blockIdx.x] = 1.0f; }
extern "C" int grugen_probe(float *to)
{
    fill<<<1, 1>>>(to);
    return (int)cudaGetLastError();
}
"""


@dataclass(frozen=True, slots=True)
class Nvcc:
    """A CUDA compiler that works: its command, its version, the GPUs that it knows.

    `libraries` are flags that say where CUDA's libraries are, if it does not know.
    """

    command: tuple[str, ...]
    version: str
    known: tuple[str, ...]
    libraries: tuple[str, ...]

    def flags(self, architectures: Sequence[str]) -> tuple[str, ...]:
        """All flags before the file names."""
        return (*FLAGS, *self.libraries, *architectures)


def find_nvcc(
    cache: Cache, environment: Mapping[str, str], python_path: Sequence[str] | None = None
) -> Nvcc:
    """The compiler that `NVCC` names, else the first that works where it may be.

    `python_path` has the folders that packages of PyPI may be in, sys.path by default. Raises
    ToolchainError that says where was looked.
    """
    lookout = Lookout(cache, environment, TELLING)
    named = lookout.words("NVCC")
    places = dict(_places(environment, sys.path if python_path is None else python_path))
    reasons: list[str] = []
    for words in [named] if named else [[name] for names in places.values() for name in names]:
        program = lookout.program(words[0])
        if program is None:
            continue
        found = _examined((program, *words[1:]), lookout)
        if isinstance(found, Nvcc):
            return found
        reasons.append(found)
    if reasons:
        raise ToolchainError("\n".join([*reasons, f"help: {_advice(lookout)}"]))
    if named:
        raise ToolchainError(
            f"no CUDA compiler was found: NVCC is '{environment['NVCC']}', and there is no program "
            f"'{named[0]}'\nhelp: {INSTALL}"
        )
    raise ToolchainError(
        f"no CUDA compiler was found: looked for nvcc {', '.join(places)}\nhelp: {INSTALL}"
    )


def _places(
    environment: Mapping[str, str], python_path: Sequence[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Where nvcc may be, in words and as programs."""
    yield "on PATH", ("nvcc",)
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        folder = environment.get(variable, "")
        if folder:
            yield f"in ${variable} ({folder})", (str(Path(folder) / "bin" / "nvcc"),)
    yield f"in {TOOLKIT}", (str(TOOLKIT / "bin" / "nvcc"),)
    folders = [Path(folder) / "nvidia" for folder in python_path if folder]
    # the packages of CUDA 13 share a folder, those of CUDA 12 had one each
    patterns = ("cu*/bin/nvcc", "cuda_nvcc/bin/nvcc")
    found = [path for folder in folders for pattern in patterns for path in folder.glob(pattern)]
    yield "and in Python's packages (nvidia)", tuple(map(str, sorted(found, reverse=True)))


def _advice(lookout: Lookout) -> str:
    """What to do about an nvcc that does not work."""
    has_host = any(lookout.environment.get(name) for name in TELLING) or lookout.program("gcc")
    return INSTALL if has_host else HOST


def _examined(command: tuple[str, ...], lookout: Lookout) -> Nvcc | str:
    found = lookout.examined(
        command,
        ("version", "known", "libraries"),
        lambda folder: _tried(command, folder, lookout.environment),
    )
    if isinstance(found, str):
        return found
    return Nvcc(command, found["version"], tuple(found["known"]), tuple(found["libraries"]))


def _tried(command: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> Record | str:
    (folder / "probe.cu").write_text(_PROBE, encoding="utf-8")
    libraries = _libraries(Path(command[0]))
    try:
        answers = []
        for option in ("--version", "--list-gpu-code"):
            asked = run_command((*command, option), folder, PROBE_SECONDS, environment)
            if asked.status != 0:
                text = first_lines(asked.text)
                return f"'{shlex.join(command)} {option}' failed ({asked.ending})\n{text}".rstrip()
            answers.append(asked.text)
        line = (*command, *FLAGS, *libraries, "probe.cu", "-o", "probe.so")
        built = run_command(line, folder, PROBE_SECONDS, environment)
        if built.status == 0:
            known = [word for word in answers[1].split() if word.startswith("sm_")]
            return {"version": _version(answers[0]), "known": known, "libraries": libraries}
    except OSError as error:
        return f"'{command[0]}' cannot be run: {error.strerror or error}"
    return (
        f"'{command[0]}' cannot build a small CUDA program ({built.ending})\n"
        f"command: {shlex.join(line)}\n{first_lines(built.text)}".rstrip()
    )


def _version(text: str) -> str:
    """The line that has the version; the first ones have the name of the program."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if "release" in line), lines[0] if lines else "")


def _libraries(program: Path) -> tuple[str, ...]:
    """A flag for `lib` beside the compiler's folder: where packages of PyPI have no `lib64`."""
    top = Path(os.path.realpath(program)).parent.parent
    lone = (top / "lib" / "libcudart_static.a").is_file() and not (top / "lib64").exists()
    return ("-L", str(top / "lib")) if lone else ()
