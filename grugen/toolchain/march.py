"""Which instruction sets a library is built for: the words that `march` takes, and their flags.

native           all instructions of this machine
baseline         what every CPU of this architecture has
levels           several sets in one library, which picks one when it runs
any other word   what `-march=` of the compiler takes, such as x86-64-v3 or armv8-a
"""

from __future__ import annotations

import platform
import re

from grugen.errors import UsageError

NATIVE = "native"
BASELINE = "baseline"
LEVELS = "levels"
WORDS = (NATIVE, BASELINE, LEVELS)

X86_LEVELS = (("_v2", "x86-64-v2"), ("_v3", "x86-64-v3"), ("_v4", "x86-64-v4"))
"""The levels of the x86-64 ABI, by what the names of their functions end with; lowest first."""


def levels_of(machine: str) -> tuple[tuple[str, str], ...]:
    """The endings and `-march=` words of several levels; none where there is only the baseline."""
    return X86_LEVELS if machine.lower() in ("x86_64", "amd64") else ()


def machine() -> str:
    """The architecture of this machine, such as x86_64 or aarch64."""
    return platform.machine()


def checked_march(march: object) -> str:
    """`march` if it can be one. Raises UsageError; whether a compiler knows it shows in a build."""
    if isinstance(march, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", march):
        return march
    raise UsageError(
        f"march is {march!r}; 'native', 'baseline', 'levels' or what -march= of the C compiler "
        "takes is needed"
    )
