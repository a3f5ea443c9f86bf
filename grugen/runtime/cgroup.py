"""The limits of the control group that this process is in, and of those around it (Linux)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def quotas(root: Path = Path("/")) -> Iterator[float]:
    """The CPUs that are granted, by every group that has a limit."""
    for folder, unified in _folders("cpu", root):
        if unified:
            quota, period = [*" ".join(_lines(folder / "cpu.max")).split(), "", ""][:2]
        else:
            quota = "".join(_lines(folder / "cpu.cfs_quota_us"))
            period = "".join(_lines(folder / "cpu.cfs_period_us"))
        # `max` or -1: no limit
        if quota.strip().isdecimal() and period.strip().isdecimal() and int(period):
            yield int(quota) / int(period)


def memory_limits(root: Path = Path("/")) -> Iterator[int]:
    """The bytes of memory that are granted, by every group that has a limit.

    Version 1 has a very large number for no limit.
    """
    for folder, unified in _folders("memory", root):
        limit = "".join(_lines(folder / ("memory.max" if unified else "memory.limit_in_bytes")))
        if limit.strip().isdecimal():
            yield int(limit)


def _folders(controller: str, root: Path) -> Iterator[tuple[Path, bool]]:
    """Folders of the groups in which `controller` limits this process; True for version 2."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        mount = root / "sys/fs/cgroup"
        if not controllers:
            yield from ((folder, True) for folder in _upwards(mount, path))
        elif controller in controllers.split(","):
            yield from ((folder, False) for folder in _upwards(mount / controllers, path))


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """The group's folder and all above it; in a container only the mount itself may exist."""
    folder = mount / path.strip().strip("/")
    yield folder
    while folder != mount:
        folder = folder.parent
        yield folder


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
