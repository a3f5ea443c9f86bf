"""The numbers that a target may choose: tiles and blocks. Data, and the model that makes it.

All instruction sets stand in one text under `#if`, so that generated text names no machine.
"""

from __future__ import annotations

from dataclasses import dataclass

TILE_SEQUENCES = 24
"""Sequences that a thread runs together: enough to pay for reading the weights."""
LARGEST_ROWS = 8
"""The addresses of more rows do not fit the registers for addresses: 12 rows are a tenth slower."""
SMALLEST_ROWS = 4
"""Fewer rows read the weights too often, and hide no latency."""


@dataclass(frozen=True, slots=True)
class VectorUnit:
    """An instruction set: the macro that tells of it, bytes a vector, number of registers."""

    name: str
    macro: str
    vector_bytes: int
    registers: int


@dataclass(frozen=True, slots=True)
class TileShapes:
    """The register tiles of one instruction set.

    `rows[v - 1]` rows times v vectors of sums are held in registers; stages with more vectors
    than `rows` has entries run in groups.
    """

    unit: VectorUnit
    rows: tuple[int, ...]


def tile_shapes(unit: VectorUnit) -> TileShapes:
    """How many rows go with each number of vectors.

    A tile of R rows and V vectors keeps R * V sums in registers, V vectors of weights, and one
    element of the operand spread over a vector. A step of depth is R * V multiplications for
    R + V loads, so it takes as many rows as fit.
    """
    rows: list[int] = []
    for vectors in range(1, unit.registers):
        fitting = min((unit.registers - vectors - 1) // vectors, LARGEST_ROWS)
        if fitting < SMALLEST_ROWS:
            break
        # a divisor of a full tile of the batch leaves no rest
        rows.append(max(n for n in range(1, fitting + 1) if TILE_SEQUENCES % n == 0))
    return TileShapes(unit, tuple(rows))


def stage_tile(shapes: TileShapes, sums: int) -> tuple[int, int, int]:
    """Rows, vectors, and how many such tiles one after the other serve a stage of so many sums.

    As `grugen_product.h` has it: the sums of one vector of units stand side by side; with a single
    sum two vectors of units do.
    """
    groups = -(-sums // len(shapes.rows))
    vectors = 2 if sums == 1 else -(-sums // groups)
    return shapes.rows[vectors - 1], vectors, groups


CUDA_SUMS = 32
"""Sums that a thread has in registers, at most, beside weights and operands."""
CUDA_TILE_ROWS = 4
"""Rows of a thread's tile, at most, as `grugen_tiling.cuh` has it."""


def cuda_tile_rows(sums: int) -> int:
    """How many rows a thread of target `cuda` takes together in a stage of so many sums."""
    rows = CUDA_TILE_ROWS
    while rows > 1 and rows * sums > CUDA_SUMS:
        rows //= 2
    return rows


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a kernel is cut up.

    One that is `staged` computes what it can for many rows together, products first; another runs
    row by row. `tiles` are in order of preference, the last serves every machine. A tile of the
    batch has `tile_sequences` sequences at most; a time block has as many steps as keep its rows
    within `block_bytes`; without one, all rows of a call are in memory at the same time.
    """

    staged: bool = False
    tiles: tuple[TileShapes, ...] = ()
    tile_sequences: int = 1
    block_bytes: int = 0


SEQUENTIAL = Schedule()

OPENMP = Schedule(
    staged=True,
    tiles=tuple(
        tile_shapes(unit)
        for unit in (
            VectorUnit("AVX-512", "__AVX512F__", 64, 32),
            VectorUnit("AVX", "__AVX__", 32, 16),
            VectorUnit("NEON", "__aarch64__", 16, 32),
            VectorUnit("SSE2", "", 16, 16),
        )
    ),
    tile_sequences=TILE_SEQUENCES,
    block_bytes=256 * 1024,
)

CUDA = Schedule(staged=True)
