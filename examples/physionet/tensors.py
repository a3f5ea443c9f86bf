"""From stays to the sequences of GRU-D: values, mask and delta on irregular steps.

Time stamps are floored to ten minutes; a step is a stamp at which at least one variable was
measured. With real stamps s_t in hours (Che et al. 2018):

    delta_t = s_t - s_{t-1} + (1 - m_{t-1}) delta_{t-1},    delta_1 = 0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from stays import CUFF_PRESSURES, VARIABLES, Stay

Float = NDArray[np.float32]

STEP_MINUTES = 10

# The column of each series; a cuff pressure shares that of the invasive one.
_COLUMN = np.array([*range(len(VARIABLES)), *map(VARIABLES.index, CUFF_PRESSURES.values())])


@dataclass(frozen=True)
class Steps:
    """One stay as a sequence.

    Attributes:
        x: measurements, 0 where there is none, shape (T, D).
        m: 1 where measured, else 0, shape (T, D).
        delta: hours since the measurement before, shape (T, D); see `elapsed`.

    """

    x: Float
    m: Float
    delta: Float


@dataclass(frozen=True)
class Batch:
    """Sequences side by side, time first, zero behind each one's end.

    Attributes:
        x, m, delta: as in `Steps`, shape (T, B, D).
        lengths: steps of each sequence, shape (B,).
        deaths: 1 where the patient died in hospital, else 0, shape (B,).

    """

    x: Float
    m: Float
    delta: Float
    lengths: NDArray[np.int64]
    deaths: Float


def elapsed(stamps: NDArray[np.floating], m: NDArray[np.floating]) -> NDArray[np.floating]:
    """Time since the last measurement before each step, or since the first step if none.

    The recurrence in the module's text, solved: it telescopes to the difference of two stamps.

    Args:
        stamps: time of each step, ascending, shape (T,).
        m: mask, shape (T, D).

    Returns:
        delta, shape (T, D), in the unit of `stamps`.

    """
    measured_at = np.where(m > 0, stamps[:, None], stamps[0])
    last = np.maximum.accumulate(measured_at, axis=0)
    before = np.concatenate([np.full_like(last[:1], stamps[0]), last[:-1]])
    delta: NDArray[np.floating] = stamps[:, None] - before
    return delta


def to_steps(stay: Stay) -> Steps:
    """Put a stay on the grid.

    Of several values of a variable in one step the last in the file wins, and an invasive
    pressure wins over a cuff's. A stay without measurements is one step with nothing observed.
    """
    cuff = stay.series >= len(VARIABLES)
    order = np.argsort(~cuff, kind="stable")  # cuff pressures first, to be overwritten
    stamps, row = np.unique(stay.minutes // STEP_MINUTES, return_inverse=True)
    if not len(stamps):
        stamps = np.zeros(1, np.int16)
    cell = row[order], _COLUMN[stay.series[order]]
    x = np.zeros((len(stamps), len(VARIABLES)), np.float32)
    m = np.zeros_like(x)
    x[cell] = stay.values[order]
    m[cell] = 1
    hours = stamps * (STEP_MINUTES / 60)
    return Steps(x, m, elapsed(hours, m).astype(np.float32))


def to_batch(sequences: Sequence[Steps], deaths: NDArray[np.bool_]) -> Batch:
    """Pad sequences to the longest of them."""
    lengths = np.array([len(steps.x) for steps in sequences])
    shape = (lengths.max(), len(sequences), sequences[0].x.shape[1])
    x, m, delta = (np.zeros(shape, np.float32) for _ in range(3))
    for column, steps in enumerate(sequences):
        end = len(steps.x)
        x[:end, column] = steps.x
        m[:end, column] = steps.m
        delta[:end, column] = steps.delta
    return Batch(x, m, delta, lengths, deaths.astype(np.float32))
