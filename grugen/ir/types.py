"""The type of a value in a step: its shape, how often it changes, whether it is a condition.

Element types are no part of it: the same IR serves float32 and float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from grugen.spec.dims import Shape, shape_text


class Level(IntEnum):
    """How often a value changes; a result has the highest level of its arguments."""

    CALL = 0
    """The same for the whole call: parameters, constants, hypers."""
    SEQUENCE = 1
    """One for each sequence of the batch."""
    STEP = 2
    """One for each step of each sequence."""


@dataclass(frozen=True, slots=True)
class Type:
    """() is one number, (n,) a vector, (m, n) a matrix; `condition` marks a truth value."""

    shape: Shape
    level: Level
    condition: bool = False

    def text(self, element: str) -> str:
        """`f32[H]`, with `element` as the name of the element type; conditions are `bool[H]`."""
        return f"{'bool' if self.condition else element}{shape_text(self.shape)}"
