"""What the machine is, as far as it decides how fast things are."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grugen.bench.roster import versions
from grugen.errors import ToolchainError
from grugen.runtime.threads import default_threads
from grugen.toolchain.cache import cache_of
from grugen.toolchain.compilers import find_compiler
from grugen.toolchain.cpu import cpu_features

LEVELS = (
    ("avx512f", "AVX-512"),
    ("avx2", "AVX2"),
    ("avx", "AVX"),
    ("sve", "SVE"),
    ("asimd", "NEON"),
    ("sse2", "SSE2"),
)
"""Flags of the processor and what they are called, the widest first."""


def describe() -> dict[str, Any]:
    """Processor, usable CPUs, vector instructions, compiler, versions, date, and how busy it is."""
    return {
        "processor": processor(),
        "cpus": default_threads({}),
        "instructions": instructions(cpu_features()),
        "system": f"{platform.system()} {platform.machine()}",
        "compiler": compiler(),
        "python": platform.python_version(),
        "versions": versions(),
        "load": round(os.getloadavg()[0], 2),
        "date": datetime.now(UTC).date().isoformat(),
    }


def compiler() -> str:
    """The C compiler and its version; `none` where there is none."""
    try:
        return find_compiler(cache_of(os.environ), os.environ).version
    except ToolchainError:
        return "none"


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name as the system gives it."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    names = re.findall(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return names[0].strip() if names else platform.processor() or platform.machine()


def instructions(features: str) -> str:
    """The widest vector instructions that `features` names."""
    words = set(features.split())
    return next((name for flag, name in LEVELS if flag in words), "none")


def file_stem(machine: dict[str, Any]) -> str:
    """`DATE-machine`, for the names of files."""
    gpu = machine.get("gpu", {}).get("name", "")
    name = re.sub(r"[^a-z0-9]+", "-", (gpu or machine["processor"]).lower()).strip("-")
    return f"{machine['date']}-{name}" + ("" if gpu else f"-{machine['cpus']}-cpus")
