"""Loops whose blocks multiply on tensor cores what others post: those of bfloat16."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grugen.render.cuda_memory import Panel, depth_of
from grugen.render.places import Spelling
from grugen.target.stages import Stage

_FEW, _MANY = 144, 136
"""Registers of a lane for matrices and for what it asks for; others are for sums and the rest.

In a kernel that asks for a vector in many turns there are fewer.
"""
_ROOM = 2
"""Pieces of each vector that a lane asks for at once, where it does not ask for all of them."""
_APART = 3
"""How many more pieces the next kernel is for."""
_MOST_STEPS = 16
_MOST_SUMS = 8
"""Of a stage: a lane has eight numbers for each."""


@dataclass(frozen=True, slots=True)
class TensorLoop:
    """Into how many pieces of the depth a lane's share of each matrix can be cut.

    For each such number there is a kernel for rows that all exist, and for others there are those
    of the last two. `rooms` has how many pieces of each vector it asks for at once: all of them, or
    some in deeper products. Warps put the sums of the `stages`, at
    most `sums` for each pair of a row and a unit, to memory that is written anew behind another
    meeting: that of another stage, or of the step after the next.
    """

    rooms: Mapping[int, int]
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

    def room(self) -> str:
        """Pieces of each vector that a lane asks for at once, where `HELD` are held."""
        *few, most = self.rooms
        text = str(self.rooms[most])
        for steps in reversed(few):
            text = f"HELD > {steps} ? {text} : {self.rooms[steps]}"
        return text

    def held(self, spelling: Spelling, panels: Sequence[Panel]) -> str:
        """How many pieces a block holds of all matrices; 0 if it cannot."""
        text = "0"
        for steps in reversed(self.rooms):
            tests = []
            for nest, _, segment in panels:
                assert nest.size is not None
                sizes = f"{spelling.dim(nest.size)}, {depth_of(spelling, segment)}"
                tests.append(f"grugen_can_hold_fragments({sizes}, parts, {steps})")
            text = f"{' && '.join(dict.fromkeys(tests))} ? {steps} : {text}"
        return text


def tensor_loop(spelling: Spelling, panels: Sequence[Panel]) -> TensorLoop | None:
    """How the products of a loop run on tensor cores; not at all if lanes have no room for them."""
    stages = tuple(dict.fromkeys(stage for _, stage, _ in panels))
    matrices = sum(len(segment.lets) for _, _, segment in panels)
    if spelling.stored != "bfloat16" or not stages:
        return None
    operands = max(len(stage.operands) for stage in stages)
    sums = max(len(stage.sums) for stage in stages)
    few = min(_FEW // 4 // (matrices + operands), _MOST_STEPS)
    many = min((_MANY // 4 - _ROOM * operands) // matrices, _MOST_STEPS)
    # pieces that are held and not needed take their time, too
    rooms = {steps: steps for steps in (*range(_APART, few, _APART), few) if few > 0}
    if many > max(few, _ROOM):
        rooms[many] = _ROOM
    return TensorLoop(rooms, stages, sums) if rooms and sums <= _MOST_SUMS else None
