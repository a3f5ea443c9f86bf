"""What is measured: a cell at a shape, forward or training; suites of them are data.

The suites stand in `specs/bench/suites.yaml`, because no cell is known by name here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from grugen.assets import bench_folder
from grugen.errors import UsageError
from grugen.spec.names import did_you_mean, listed

MODES = ("forward", "training")
"""A forward pass without a tape; a forward pass with a tape and the backward pass after it."""

FLOAT32 = "float32"
BFLOAT16 = "bfloat16"
NUMBERS = (FLOAT32, BFLOAT16)
"""What is computed with: float32 throughout, or weights and activations in bfloat16."""


@dataclass(frozen=True, slots=True)
class Case:
    """A cell at a shape.

    `spec` is a path or a shipped name; `sizes` are those of the spec's dims in their order. With
    `ragged`, sequences have any length from 1 to `steps`. `engines` are the only ones that are to
    run it, all if empty; `beside` is a cell whose time at this shape is to be compared with.
    `numbers` is one of NUMBERS.
    """

    spec: str
    steps: int
    batch: int
    sizes: tuple[int, ...]
    mode: str
    ragged: bool = False
    engines: tuple[str, ...] = ()
    beside: str = ""
    numbers: str = FLOAT32

    @property
    def shape(self) -> str:
        """`T,B,D,H` in numbers."""
        return ",".join(map(str, (self.steps, self.batch, *self.sizes)))

    def __str__(self) -> str:
        return f"{self.spec} {self.shape} {self.mode}{manner(self.ragged, self.numbers)}"


def manner(ragged: bool, numbers: str) -> str:
    """What is unusual about a case, in words behind its shape."""
    return f"{' ragged' if ragged else ''}{'' if numbers == FLOAT32 else f' {numbers}'}"


def suite_names() -> tuple[str, ...]:
    """The suites there are, in the order of the file."""
    return tuple(_suites())


def cases_of(suites: Sequence[str], modes: Sequence[str] = MODES) -> tuple[Case, ...]:
    """The cases of some suites, each once. Raises UsageError for a suite that is not there."""
    known = _suites()
    found: list[Case] = []
    for name in suites:
        if name not in known:
            advice = did_you_mean(name, known) or f"the suites are {listed(tuple(known))}"
            raise UsageError(f"there is no suite '{name}'\nhelp: {advice}")
        for line in known[name]["cases"]:
            found += _as_asked(cases_at([line["spec"]], line["shapes"], modes), line)
    return tuple(dict.fromkeys(found))


def _as_asked(cases: Iterable[Case], line: dict[str, Any]) -> list[Case]:
    """Those that the line of a suite asks for, with what else it says."""
    return [
        replace(
            case,
            ragged=line.get("ragged", False),
            engines=tuple(line.get("engines", ())),
            beside=line.get("beside", ""),
            numbers=line.get("numbers", FLOAT32),
        )
        for case in cases
        if case.mode in line.get("modes", MODES)
    ]


def cases_at(
    specs: Sequence[str], shapes: Sequence[str], modes: Sequence[str] = MODES
) -> tuple[Case, ...]:
    """Every spec at every shape. Raises UsageError for a shape that cannot be read."""
    found = []
    for spec in specs:
        for text in shapes:
            steps, batch, *sizes = parse_shape(text)
            found += [Case(spec, steps, batch, tuple(sizes), mode) for mode in modes]
    return tuple(found)


def parse_shape(text: str) -> tuple[int, ...]:
    """`48,128,33,64` as numbers: steps, batch, then the sizes of the spec's dims."""
    words = [word.strip() for word in text.split(",")]
    numbers = tuple(int(word) for word in words if word.isdecimal())
    if len(numbers) != len(words) or len(numbers) < 3 or min(numbers) < 1:
        raise UsageError(
            f"'{text}' is no shape\n"
            "help: write  T,B,D,H: steps, batch, then the sizes of the spec's dims: 48,128,33,64"
        )
    return numbers


def _suites() -> dict[str, Any]:
    text = (bench_folder() / "suites.yaml").read_text(encoding="utf-8")
    suites: dict[str, Any] = yaml.safe_load(text)
    return suites
