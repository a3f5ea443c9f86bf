"""Finds a C compiler that can build OpenMP programs, and knows the flags it is called with.

It is started again only when its file has changed. CUDA's compiler is looked for in `nvcc`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grugen.errors import ToolchainError
from grugen.toolchain.cache import Cache
from grugen.toolchain.command import run_command
from grugen.toolchain.march import BASELINE, NATIVE
from grugen.toolchain.records import PROBE_SECONDS, Lookout, Record, first_lines

CANDIDATES = ("cc", "gcc", "clang")
"""Tried in this order when CC is not set."""

FLAGS = (
    *("-std=c11", "-O3", "-fPIC", "-shared", "-fopenmp"),
    # of what -ffast-math stands for, these alone change no result but exceptions and errno
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"),
    *("-Wall", "-Wextra"),
)
"""The same for every target and compiler; the instruction set and `-lm` come on top."""

NATIVE_FLAGS = (("-march=native",), ("-mcpu=native",), ())
"""How compilers are told to use all instructions of this machine; the first that works is taken."""

INSTALL = (
    "install one (Debian: apt-get install gcc libc6-dev; clang needs libomp-dev too), "
    "or set CC to one that works"
)

_PROBE = """\
#include <math.h>
#include <omp.h>
#include <stdint.h>
int64_t grugen_probe(double a) { return omp_get_max_threads() + (int64_t)exp(a); }
"""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A compiler that works: its command, the first line of its `--version`, its native flags."""

    command: tuple[str, ...]
    version: str
    native: tuple[str, ...]

    def flags(self, march: str) -> tuple[str, ...]:
        """All flags before the file names; `march` is not `levels`, which takes several calls."""
        special = {NATIVE: self.native, BASELINE: ()}
        return (*FLAGS, *special.get(march, (f"-march={march}",)))


def find_compiler(cache: Cache, environment: Mapping[str, str]) -> Compiler:
    """The compiler that `CC` names, else the first of cc, gcc, clang that works."""
    lookout = Lookout(cache, environment)
    named = lookout.words("CC")
    reasons: list[str] = []
    for words in [named] if named else [[name] for name in CANDIDATES]:
        program = lookout.program(words[0])
        if program is None:
            continue
        found = _examined((program, *words[1:]), lookout)
        if isinstance(found, Compiler):
            return found
        reasons.append(found)
    if reasons:
        raise ToolchainError("\n".join([*reasons, f"help: {INSTALL}"]))
    if named:
        raise ToolchainError(
            f"no C compiler was found: CC is '{environment['CC']}', and there is no program "
            f"'{named[0]}'\nhelp: {INSTALL}"
        )
    raise ToolchainError(
        f"no C compiler was found: looked for {', '.join(CANDIDATES)} on PATH\nhelp: {INSTALL}"
    )


def _examined(command: tuple[str, ...], lookout: Lookout) -> Compiler | str:
    found = lookout.examined(
        command,
        ("version", "native"),
        lambda folder: _tried(command, folder, lookout.environment),
    )
    if isinstance(found, str):
        return found
    return Compiler(command, found["version"], tuple(found["native"]))


def _tried(command: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> Record | str:
    (folder / "probe.c").write_text(_PROBE, encoding="utf-8")
    try:
        asked = run_command((*command, "--version"), folder, PROBE_SECONDS, environment)
        if asked.status != 0:
            text = first_lines(asked.text)
            return f"'{shlex.join(command)} --version' failed ({asked.ending})\n{text}".rstrip()
        version = (asked.text.splitlines() or [""])[0].strip()
        for native in NATIVE_FLAGS:
            line = (*command, *FLAGS, *native, "probe.c", "-o", "probe.so", "-lm")
            built = run_command(line, folder, PROBE_SECONDS, environment)
            if built.status == 0:
                return {"version": version, "native": native}
    except OSError as error:
        return f"'{command[0]}' cannot be run: {error.strerror or error}"
    return (
        f"'{command[0]}' cannot build a small OpenMP program ({built.ending})\n"
        f"command: {shlex.join(line)}\n{first_lines(built.text)}".rstrip()
    )
