"""Which instructions this machine has, as text: part of the key of what is built for it.

It tells machines apart that share a cache folder. It chooses no code and no flags.
"""

from __future__ import annotations

import platform
from pathlib import Path

# x86 first, then the words of arm kernels
_TELLING = ("vendor_id", "cpu family", "model", "flags", "CPU implementer", "CPU part", "Features")


def cpu_features(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The first processor's model and feature flags; elsewhere than on Linux what Python knows."""
    found = {"machine": platform.machine()}
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if not line.strip():
                    break
                name, _, value = line.partition(":")
                if name.strip() in _TELLING:
                    found[name.strip()] = " ".join(sorted(value.split()))
    except OSError:
        found["processor"] = platform.processor()
    return "\n".join(f"{name}: {value}" for name, value in found.items())
