"""The kernels of a loop on target `cuda`: one for each kind of cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grugen.render.c_expr import ElementType
from grugen.render.cuda_memory import Panel, depth_of
from grugen.render.cuda_views import VariantView
from grugen.render.places import Spelling
from grugen.target.schedule import cuda_tile_rows

_REGISTERS = 128
"""For a lane's share of all matrices of a loop, at most: as many are left for everything else."""
_WORDS: dict[ElementType, int] = {"float32": 1, "float64": 2}
_FEW = 4
"""Fours of each matrix that a lane holds in a block that has its units to itself."""
_MANY = 16
"""Of blocks that share units, at most: products of few units are as deep as others."""
_ALONE, _CLUSTER, _SHARING = "grugen_block", "grugen_cluster", "grugen_blocks"


def held_fours(element: ElementType, matrices: int) -> tuple[int, int]:
    """Fours of each matrix that a lane can hold, in blocks alone and in those that share units.

    Too many matrices cannot be held at all: 0.
    """
    if not matrices:
        return 0, 0
    fours = _REGISTERS // (4 * _WORDS[element] * matrices)
    # products take as many side by side
    most = min(fours - fours % _FEW, _MANY)
    return min(most, _FEW), most


def variants(held: tuple[int, int]) -> Iterator[VariantView]:
    """The kernels for each kind of team; another one serves what is left over."""
    alone, sharing = held
    for team, kind, fours in (
        (_ALONE, "is_alone", alone),
        (_CLUSTER, "is_cluster", sharing),
        (_SHARING, "", sharing),
    ):
        first = f"{kind} && " if kind else ""
        if fours:
            for rows in (1, 2):
                condition = f"{first}tiling.held > 0 && tiling.sequences == {rows}"
                yield VariantView(condition, f"{team}, {rows}, {fours}")
            yield VariantView(f"{first}tiling.held > 0", f"{team}, GRUGEN_TILE_ROWS, {fours}")
        yield VariantView(f"{first}tiling.sequences == 1", f"{team}, 1, 0")
        if kind:
            yield VariantView(kind, f"{team}, GRUGEN_TILE_ROWS, 0")


def can_hold(spelling: Spelling, panels: Sequence[Panel], held: tuple[int, int]) -> Iterator[str]:
    """The lines that tell how many fours of each matrix a lane holds."""
    alone, sharing = held
    if not sharing:
        yield "return 0;"
        return
    yield "const int rows = grugen_tile_rows(sequences);"
    yield f"const int fours = parts > 1 ? {sharing} : {alone};"
    tests = []
    for nest, stage, segment in panels:
        assert nest.size is not None
        tiles = f"grugen_tiles(sequences, grugen_fewer(rows, {cuda_tile_rows(len(stage.sums))}))"
        sizes = f"{spelling.dim(nest.size)}, {depth_of(spelling, segment)}"
        tests.append(f"grugen_can_hold({sizes}, parts, {tiles}, fours)")
    yield "const bool all = " + " && ".join(dict.fromkeys(tests)) + ";"
    yield "return all ? fours : 0;"
