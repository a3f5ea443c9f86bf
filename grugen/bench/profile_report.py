"""A profile as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from grugen.bench.cells import markdown, microseconds
from grugen.bench.profiling import LARGEST_COST, KernelProfile
from grugen.bench.suites import Case

ELSEWHERE = "elsewhere"
"""What is in no component."""


def shares(profile: KernelProfile, threads: int) -> dict[str, float]:
    """Each component's part of the call, by thread time; together 1."""
    parts = {**profile.components, ELSEWHERE: profile.elsewhere(threads)}
    total = sum(parts.values())
    return {name: seconds / total if total else 0.0 for name, seconds in parts.items()}


def profile_text(case: Case, threads: int, profiles: Sequence[KernelProfile]) -> str:
    """A table: one line a component, with its share and its microseconds of each thread."""
    rows = [row for profile in profiles for row in _rows(profile, threads)]
    head = ["kernel", "component", "us", "share"]
    lines = [f"{case}, {threads} thread{'s' if threads > 1 else ''}", "", markdown(head, rows), ""]
    return "\n".join([*lines, *_costs(profiles), ""])


def _rows(profile: KernelProfile, threads: int) -> Iterator[list[str]]:
    parts = {**profile.components, ELSEWHERE: profile.elsewhere(threads)}
    for name, share in shares(profile, threads).items():
        yield [profile.kernel, name, microseconds(parts[name] / threads), f"{share:.1%}"]


def _costs(profiles: Sequence[KernelProfile]) -> Iterator[str]:
    """How far the instrumented build is from the plain one."""
    for one in profiles:
        too_much = "" if one.cost <= LARGEST_COST else "; the clocks cost too much to be believed"
        yield (
            f"{one.kernel}: {microseconds(one.instrumented)} us with clocks, "
            f"{microseconds(one.plain)} us without: {one.cost:.3f} x{too_much}"
        )


def profile_data(
    case: Case, threads: int, profiles: Sequence[KernelProfile], machine: Mapping[str, Any]
) -> dict[str, Any]:
    """What is written as JSON; seconds throughout."""
    return {
        "machine": dict(machine),
        "case": asdict(case),
        "threads": threads,
        "kernels": [
            asdict(one) | {"cost": one.cost, "elsewhere": one.elsewhere(threads)}
            for one in profiles
        ],
    }
