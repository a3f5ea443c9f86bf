"""Loops whose blocks multiply on tensor cores what others post: those of bfloat16."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grugen.render.cuda_memory import Panel, depth_of
from grugen.render.places import Spelling
from grugen.target.stages import Stage

_REGISTERS = 160
"""Of a lane, for matrices and for vectors that it asks for; others are for sums and the rest."""
AHEAD = 2
"""Vectors that a lane asks for at once."""
_MOST_STEPS = 16
_MOST_SUMS = 8
"""Of a stage: a lane has eight numbers for each."""


@dataclass(frozen=True, slots=True)
class TensorLoop:
    """What a lane holds of each matrix, in `steps` pieces, and the stages that put their sums.

    Stages have at most `sums` sums for each pair of a row and a unit. Memory that one of them reads
    is written anew behind another meeting: that of another stage, or of the step after the next.
    """

    steps: int
    stages: tuple[Stage, ...]
    sums: int

    def memory(self, stage: Stage) -> str:
        """Where the warps put the sums of a stage."""
        turn = "(int)(team.turn % 2)" if len(self.stages) == 1 else str(self.stages.index(stage))
        before = f"{turn} * grugen_shares_size(rows.count(), {self.sums})"
        return f"static_cast<float *>(tile->gathered) + {before}"

    def size(self) -> str:
        """How many elements of memory that takes in all."""
        return f"{max(len(self.stages), 2)} * grugen_shares_size(tiling.sequences, {self.sums})"

    def fits(self, spelling: Spelling, panels: Sequence[Panel]) -> str:
        """Whether a block can hold its share of all matrices."""
        tests = []
        for nest, _, segment in panels:
            assert nest.size is not None
            sizes = f"{spelling.dim(nest.size)}, {depth_of(spelling, segment)}"
            tests.append(f"grugen_can_hold_fragments({sizes}, parts, {self.steps})")
        return " && ".join(dict.fromkeys(tests))


def tensor_loop(spelling: Spelling, panels: Sequence[Panel]) -> TensorLoop | None:
    """How the products of a loop run on tensor cores; not at all if lanes have no room for them."""
    stages = tuple(dict.fromkeys(stage for _, stage, _ in panels))
    matrices = sum(len(segment.lets) for _, _, segment in panels)
    if spelling.stored != "bfloat16" or not stages:
        return None
    operands = min(max(len(stage.operands) for stage in stages), AHEAD)
    sums = max(len(stage.sums) for stage in stages)
    steps = min(_REGISTERS // (4 * (matrices + operands)), _MOST_STEPS)
    return TensorLoop(steps, stages, sums) if steps > 0 and sums <= _MOST_SUMS else None
