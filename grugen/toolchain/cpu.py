"""Which instructions this machine has: part of the key of what is built for it, and whether a
library can run here. It chooses no code and no flags.
"""

from __future__ import annotations

import platform
from pathlib import Path

# x86 first, then the words of arm kernels
_TELLING = ("vendor_id", "cpu family", "model", "flags", "CPU implementer", "CPU part", "Features")
_FEATURES = ("flags", "Features")
CPUINFO = Path("/proc/cpuinfo")


def cpu_features(cpuinfo: Path = CPUINFO) -> str:
    """The first processor's model and feature flags; elsewhere than on Linux what Python knows."""
    found = {"machine": platform.machine()}
    told = _told(cpuinfo)
    if told is None:
        found["processor"] = platform.processor()
    else:
        found |= told
    return "\n".join(f"{name}: {value}" for name, value in found.items())


def instructions(cpuinfo: Path = CPUINFO) -> frozenset[str] | None:
    """The features that CPU and system have, as words of /proc/cpuinfo; None: it does not say."""
    told = _told(cpuinfo) or {}
    words = " ".join(told.get(name, "") for name in _FEATURES).split()
    return frozenset(words) or None


def _told(cpuinfo: Path) -> dict[str, str] | None:
    """What is said of the first processor; None where there is no such file."""
    found: dict[str, str] = {}
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if not line.strip():
                    break
                name, _, value = line.partition(":")
                if name.strip() in _TELLING:
                    found[name.strip()] = " ".join(sorted(value.split()))
    except OSError:
        return None
    return found
