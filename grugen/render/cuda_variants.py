"""The kernels of a loop on target `cuda`: one for each kind of cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from grugen.render.c_expr import ElementType
from grugen.render.cuda_memory import Panel, depth_of
from grugen.render.cuda_tensor import TensorLoop
from grugen.render.cuda_views import VariantView
from grugen.render.places import Spelling
from grugen.target.schedule import cuda_tile_rows

_REGISTERS: dict[ElementType, dict[int, int]] = {
    "float32": {1: 128, 2: 128, 4: 112},
    "float64": {1: 64, 2: 0, 4: 0},
}
"""Elements of a lane's share of all matrices of a loop, at most, by rows of a tile.

What is left of 255 registers is for sums, operands, and what is asked for ahead.
"""
_FEW = 4
"""Fours of each matrix that a lane holds in a block that has its units to itself."""
_MANY = 16
"""Of blocks that share units, at most: products of few units are as deep as others."""
_ALONE, _CLUSTER, _POSTED, _TENSOR, _SHARING = (
    f"grugen_{team}" for team in ("block", "cluster", "posted", "tensor_posted", "blocks")
)


@dataclass(frozen=True, slots=True)
class Held:
    """Fours of each matrix of a loop that a lane can hold, by rows of a tile; 0 if too many.

    In blocks that are `alone`, and in those that are `sharing` units.
    """

    alone: Mapping[int, int]
    sharing: Mapping[int, int]

    def __bool__(self) -> bool:
        return any(self.sharing.values())


def held_fours(element: ElementType, matrices: int) -> Held:
    """What a lane can hold of so many matrices."""
    sharing = {}
    for rows, registers in _REGISTERS[element].items():
        fours = registers // (4 * matrices) if matrices else 0
        # products take as many side by side
        sharing[rows] = min(fours - fours % _FEW, _MANY)
    return Held({rows: min(fours, _FEW) for rows, fours in sharing.items()}, sharing)


def looks_ahead(element: ElementType, matrices: int) -> str:
    """Whether registers are left for what is asked for a step ahead, as C text for a kernel."""
    if element == "float64":
        return "HELD == 0 || !Team::posts"
    if 4 * matrices * _MANY < _REGISTERS[element][2]:
        return "true"
    # one row takes fewer registers, but for so much of its vector
    few = f"(ROWS == 1 && HELD < {_MANY})"
    return f"{few} || {4 * matrices} * HELD < {_REGISTERS[element][2]}"


def variants(held: Held, tensor: TensorLoop | None, *, posts: bool) -> Iterator[VariantView]:
    """The kernels for each kind of team; another one serves what is left over.

    Blocks that can post what they share meet only if they lack memory, for matrices as well.
    """
    kinds = [(_ALONE, "is_alone", held.alone), (_CLUSTER, "is_cluster", held.sharing)]
    if posts and tensor is None:
        kinds.append((_POSTED, "tiling.posts", held.sharing))
    kinds.append((_SHARING, "", dict.fromkeys(held.sharing, 0) if posts else held.sharing))
    rooms = tensor.rooms if tensor is not None else {}
    for steps in rooms:
        condition = f"tiling.posts && tiling.whole && tiling.held <= {steps}"
        yield VariantView(condition, f"{_TENSOR}, 1, {steps}, true")
    for steps in tuple(rooms)[-2:]:
        # rows that may not exist take those with most pieces: libraries would double
        condition = f"tiling.posts && tiling.held <= {steps}"
        yield VariantView(condition, f"{_TENSOR}, 1, {steps}, false")
    for team, kind, by_rows in kinds:
        first = f"{kind} && " if kind else ""
        for rows, fours in by_rows.items():
            condition = f"{first}holds && rows == {rows}"
            if fours and rows > 1 and team == _POSTED:
                yield VariantView(f"{condition} && tiling.whole", f"{team}, {rows}, {fours}, true")
            if fours:
                yield VariantView(condition, f"{team}, {rows}, {fours}, false")
        for rows in by_rows:
            condition = f"{first}rows == {rows}"
            yield VariantView(condition, f"{team}, {rows}, 0, false")


def can_hold(
    spelling: Spelling, panels: Sequence[Panel], held: Held, tensor: TensorLoop | None
) -> Iterator[str]:
    """The lines that tell how many fours of each matrix a lane holds, or tensor cores' pieces."""
    if tensor is not None:
        yield f"if (posts) {{ return {tensor.held(spelling, panels)}; }}"
    if not held:
        yield "return 0;"
        return
    yield "const int rows = grugen_tile_rows(sequences);"
    alone, sharing = (_by_rows(by_rows) for by_rows in (held.alone, held.sharing))
    yield f"const int fours = parts > 1 ? {sharing} : {alone};"
    tests = []
    for nest, stage, segment in panels:
        assert nest.size is not None
        tiles = f"grugen_tiles(sequences, grugen_fewer(rows, {cuda_tile_rows(len(stage.sums))}))"
        depths = [depth_of(spelling, one) for one in (stage.segments[0], segment)]
        sizes = ", ".join([spelling.dim(nest.size), *depths])
        tests.append(f"grugen_can_hold({sizes}, parts, {tiles}, fours)")
    yield "const bool all = " + " && ".join(dict.fromkeys(tests)) + ";"
    yield "return all ? fours : 0;"


def _by_rows(fours: Mapping[int, int]) -> str:
    """A number by the `rows` of a tile, as C text."""
    most: dict[int, int] = {}
    for rows, number in fours.items():
        # the last rows of those that have the same number
        most = {other: rows_of for other, rows_of in most.items() if other != number}
        most[number] = rows
    *others, last = most
    text = str(last)
    for number in reversed(others):
        text = f"rows > {most[number]} ? {text} : {number}"
    return f"({text})" if others else text
