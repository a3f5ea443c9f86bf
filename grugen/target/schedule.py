"""The numbers that a target may choose: tiles and blocks. Data, no code.

All instruction sets stand in one text under `#if`, so that generated text names no machine.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProductTile:
    """A register tile of a matrix product for one instruction set.

    `rows` rows times `vectors` vectors of `vector_bytes` are held in registers: with one vector
    for the panel and one for the broadcast element, rows * vectors + 2 registers are busy.
    """

    macro: str
    vector_bytes: int
    rows: int
    vectors: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a kernel is cut up.

    `tiles` are in order of preference, the last serves every machine. A tile of the batch has
    `tile_sequences` sequences at most; a time block has as many steps as keep its rows within
    `block_bytes`.
    """

    stack_products: bool
    tiles: tuple[ProductTile, ...] = ()
    tile_sequences: int = 1
    block_bytes: int = 0


SEQUENTIAL = Schedule(stack_products=False)

OPENMP = Schedule(
    stack_products=True,
    tiles=(
        ProductTile("__AVX512F__", 64, 8, 3),  # 32 registers
        ProductTile("__AVX__", 32, 6, 2),  # 16 registers
        ProductTile("__aarch64__", 16, 6, 4),  # 32 registers
        ProductTile("", 16, 4, 2),  # 16 registers, as SSE2 has
    ),
    tile_sequences=24,
    block_bytes=256 * 1024,
)
