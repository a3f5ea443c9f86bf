"""What was found out about a compiler is kept in the cache, until one of its files changes.

A compiler that does not work is not recorded: it is tried again by every process.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grugen.errors import ToolchainError
from grugen.toolchain.cache import Cache

Record = dict[str, Any]
"""What JSON can hold of a compiler."""

PROBE_SECONDS = 60.0
MOST_LINES = 15


@dataclass(frozen=True, slots=True)
class Lookout:
    """Where records are kept, and the environment that compilers are run in.

    `telling` are the variables that change what a compiler of this kind does.
    """

    cache: Cache
    environment: Mapping[str, str]
    telling: tuple[str, ...] = ()

    def program(self, name: str) -> str | None:
        """The whole path of a program on PATH, or of a path to one."""
        found = shutil.which(name, path=self.environment.get("PATH"))
        return None if found is None else os.path.abspath(found)

    def words(self, variable: str) -> list[str]:
        """The command that a variable holds, which may have arguments, such as `ccache gcc`."""
        named = self.environment.get(variable, "")
        try:
            return shlex.split(named)
        except ValueError as error:
            raise ToolchainError(f"{variable} is no command: {named} ({error})") from error

    def examined(
        self,
        command: tuple[str, ...],
        keys: tuple[str, ...],
        attempt: Callable[[Path], Record | str],
    ) -> Record | str:
        """What `command` is, as recorded or by an attempt in a folder made for it.

        A record has `keys`; a text says why the command does not work.
        """
        name = f"compiler-{self._fingerprint(command)}"
        place = self.cache.compilers / f"{name}.json"
        known = _read(place)
        if set(keys) <= set(known):
            return known
        with self.cache.writing(), self.cache.workplace(name) as folder:
            found = attempt(folder)
            if not isinstance(found, str):
                (folder / place.name).write_text(json.dumps(found), encoding="utf-8")
                place.parent.mkdir(exist_ok=True)
                os.replace(folder / place.name, place)
        return found

    def _fingerprint(self, command: tuple[str, ...]) -> str:
        """Changes when a program of the command changes: `ccache gcc` has two."""
        parts = [f"{name}={self.environment.get(name, '')}" for name in self.telling]
        for word in command:
            program = self.program(word)
            parts.append(word)
            if program is not None:
                state = os.stat(program)
                parts.append(f"{os.path.realpath(program)} {state.st_mtime_ns} {state.st_size}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _read(place: Path) -> Record:
    """Empty if it is not there, or not as it was written: it is found out anew."""
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def first_lines(text: str, more: str = "") -> str:
    """The first lines of what a compiler said, and where the rest is, if there is more."""
    lines = text.rstrip().splitlines()
    shown = [line.rstrip() for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        shown.append(f"... {len(lines) - MOST_LINES} more lines{more}")
    return "\n".join(shown)
