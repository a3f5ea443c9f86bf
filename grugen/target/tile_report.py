"""The stages of a kernel and the register tiles that the model gives them, as lines to read."""

from __future__ import annotations

from collections.abc import Iterator

from grugen.target.nests import Pointwise
from grugen.target.plan import KernelPlan
from grugen.target.schedule import TileShapes, stage_tile


def tile_lines(plan: KernelPlan) -> Iterator[str]:
    """A line for each stage: its products, its sums, and rows x vectors by vector width."""
    found = plan.stages()
    for phase in plan.phases():
        for nest in phase.nests:
            if not isinstance(nest, Pointwise) or nest not in found:
                continue
            stage = found[nest]
            operands = [
                f"[{' '.join(let.args[0] for let in segment.lets)}] @ {', '.join(segment.operands)}"
                for segment in stage.segments
            ]
            tiles = [_tile(shapes, len(stage.sums)) for shapes in plan.schedule.tiles]
            count = len(stage.sums)
            sums = f"{count} sum{'s' if count > 1 else ''} a unit"
            yield f"{phase.name}: {' + '.join(operands)}: {sums}, tiles {', '.join(tiles)}"


def _tile(shapes: TileShapes, sums: int) -> str:
    rows, vectors, groups = stage_tile(shapes, sums)
    again = f" in {groups} groups" if groups > 1 else ""
    return f"{rows}x{vectors}{again} ({shapes.unit.name})"
