"""Finds a C compiler that can build OpenMP programs, and knows the flags it is called with.

What was found out about a compiler is kept in the cache, so that it is started again only when its
file has changed. nvcc is not looked for here.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from grugen.errors import ToolchainError
from grugen.toolchain.cache import Cache
from grugen.toolchain.command import run_command
from grugen.toolchain.march import BASELINE, NATIVE

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

PROBE_SECONDS = 60.0
MOST_LINES = 15
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


def first_lines(text: str, more: str = "") -> str:
    """The first lines of what a compiler said, and where the rest is, if there is more."""
    lines = text.rstrip().splitlines()
    shown = [line.rstrip() for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        shown.append(f"... {len(lines) - MOST_LINES} more lines{more}")
    return "\n".join(shown)


def find_compiler(cache: Cache, environment: Mapping[str, str]) -> Compiler:
    """The compiler that `CC` names, else the first of cc, gcc, clang that works."""
    named = _words(environment.get("CC", ""))
    reasons: list[str] = []
    for words in [named] if named else [[name] for name in CANDIDATES]:
        program = shutil.which(words[0], path=environment.get("PATH"))
        if program is None:
            continue
        found = _examined((os.path.abspath(program), *words[1:]), cache, environment)
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


def _words(named: str) -> list[str]:
    """`CC` may hold a command with arguments, such as `ccache gcc`."""
    try:
        return shlex.split(named)
    except ValueError as error:
        raise ToolchainError(f"CC is no command: {named} ({error})") from error


def _examined(
    command: tuple[str, ...], cache: Cache, environment: Mapping[str, str]
) -> Compiler | str:
    """What `command` is, from the cache or by trying it; a text says why it does not work."""
    name = f"compiler-{_fingerprint(command, environment)}"
    record = cache.compilers / f"{name}.json"
    known = _recorded(record, command)
    if known is not None:
        return known
    with cache.writing(), cache.workplace(name) as folder:
        found = _tried(command, folder, environment)
        if isinstance(found, Compiler):
            (folder / record.name).write_text(json.dumps(asdict(found)), encoding="utf-8")
            record.parent.mkdir(exist_ok=True)
            os.replace(folder / record.name, record)
    return found


def _recorded(record: Path, command: tuple[str, ...]) -> Compiler | None:
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        return Compiler(command, known["version"], tuple(known["native"]))
    except (OSError, ValueError, KeyError, TypeError):
        # not there, or not as it was written: it is found out anew
        return None


def _fingerprint(command: tuple[str, ...], environment: Mapping[str, str]) -> str:
    """Changes when a program of the command changes: `ccache gcc` has two."""
    parts: list[str] = []
    for word in command:
        program = shutil.which(word, path=environment.get("PATH"))
        parts.append(word)
        if program is not None:
            state = os.stat(program)
            parts.append(f"{os.path.realpath(program)} {state.st_mtime_ns} {state.st_size}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _tried(
    command: tuple[str, ...], folder: Path, environment: Mapping[str, str]
) -> Compiler | str:
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
                return Compiler(command, version, native)
    except OSError as error:
        return f"'{command[0]}' cannot be run: {error.strerror or error}"
    return (
        f"'{command[0]}' cannot build a small OpenMP program ({built.ending})\n"
        f"command: {shlex.join(line)}\n{first_lines(built.text)}".rstrip()
    )
