"""The register model: tiles fit their registers, and rows divide a tile of the batch."""

from __future__ import annotations

import re

import pytest

from grugen.assets import templates_folder
from grugen.render.files import tile_views
from grugen.target.schedule import (
    LARGEST_ROWS,
    OPENMP,
    SEQUENTIAL,
    SMALLEST_ROWS,
    TILE_SEQUENCES,
    TileShapes,
    VectorUnit,
    tile_shapes,
)

UNITS = [VectorUnit(f"{n} registers", "", 16, n) for n in (8, 16, 24, 32, 64)]
SHAPES = [*OPENMP.tiles, *map(tile_shapes, UNITS)]


@pytest.mark.parametrize("shapes", SHAPES, ids=lambda shapes: shapes.unit.macro or "any")
def test_tiles_fit_their_registers(shapes: TileShapes) -> None:
    assert shapes.rows
    for vectors, rows in enumerate(shapes.rows, start=1):
        # sums, the weights of one step of depth, one element of the operand in all lanes
        assert rows * vectors + vectors + 1 <= shapes.unit.registers
        assert SMALLEST_ROWS <= rows <= LARGEST_ROWS
        assert TILE_SEQUENCES % rows == 0


@pytest.mark.parametrize("shapes", OPENMP.tiles, ids=lambda shapes: shapes.unit.macro or "any")
def test_no_larger_tile_would_do(shapes: TileShapes) -> None:
    for vectors, rows in enumerate(shapes.rows, start=1):
        more = [n for n in range(rows + 1, LARGEST_ROWS + 1) if TILE_SEQUENCES % n == 0]
        assert all(n * vectors + vectors + 1 > shapes.unit.registers for n in more)
    vectors = len(shapes.rows) + 1
    assert SMALLEST_ROWS * vectors + vectors + 1 > shapes.unit.registers


def test_fewer_vectors_have_no_fewer_rows() -> None:
    for shapes in SHAPES:
        assert list(shapes.rows) == sorted(shapes.rows, reverse=True)


def test_every_tile_is_compiled() -> None:
    """The headers have functions for 3 or 6 vectors, and cases up to 12 rows and 24 vectors."""
    text = (templates_folder() / "openmp" / "grugen_product.h").read_text(encoding="utf-8")
    compiled = {int(n) for n in re.findall(r"GRUGEN_TILE_FUNCTION\((\d)\)", text)}
    assert compiled == set(range(1, 7))
    for shapes in OPENMP.tiles:
        assert len(shapes.rows) in (3, 6)
        # panels of several units side by side are for one row (4) and two rows (2)
        assert 4 * len(shapes.rows) + 1 <= shapes.unit.registers
        assert f"GRUGEN_ROWS_CASE({max(shapes.rows)})" in text


def test_the_text_says_what_the_model_says() -> None:
    for view, shapes in zip(tile_views(OPENMP), OPENMP.tiles, strict=True):
        assert int(view.most_vectors) == len(shapes.rows)
        assert int(view.vector_bytes) == shapes.unit.vector_bytes
        for vectors, rows in enumerate(shapes.rows, start=1):
            assert _value(view.rows_of, vectors) == rows


def _value(text: str, vectors: int) -> int:
    """A chain of `(v) <= n ? rows :` at one number of vectors."""
    for condition, rows in re.findall(r"\(v\) <= (\d+) \? (\d+)", text):
        if vectors <= int(condition):
            return int(rows)
    return int(text.split(":")[-1])


def test_the_last_tiles_serve_every_machine() -> None:
    assert OPENMP.tiles[-1].unit.macro == ""
    assert all(shapes.unit.macro for shapes in OPENMP.tiles[:-1])
    assert not SEQUENTIAL.tiles
