"""A `KernelPlan` becomes the strings that a kernel template of target `cuda` puts in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count

from grugen.render.c_expr import C_TYPES, ElementType
from grugen.render.cuda_loops import LoopWriter, common_of
from grugen.render.cuda_memory import (
    Panel,
    member,
    packs,
    panel_sizes,
    panels_of,
    take,
)
from grugen.render.cuda_nests import NestWriter
from grugen.render.cuda_totals import lists_of, parts_of
from grugen.render.cuda_views import CudaKernelView, CudaPhaseView
from grugen.render.places import Spelling, factor, given_numbers, kernel_names
from grugen.render.views import BlockView, MemoryView
from grugen.target.abi import COMPUTED, Group
from grugen.target.plan import Index, KernelPlan, Loop, Phase
from grugen.target.planning import reads_in
from grugen.target.rounded_rows import rounded_rows
from grugen.target.step_meetings import second_piece, step_meetings

_OWNERS = {
    Index.NONE: "work",
    Index.STEP: "work",
    Index.BATCH: "work",
    Index.TILE_SEQUENCE: "tile",
}


def cuda_view(
    plan: KernelPlan, stem: str, element: ElementType, dims: Iterable[str]
) -> CudaKernelView:
    """Everything the templates of a kernel put in place; `dims` in the order of the struct.

    `element` is what the caller's arrays are made of.
    """
    doubled = [
        buffer
        for loop in loops_of(plan)
        for buffer in step_meetings(plan, loop, reads_in(plan, loop)).doubled
    ]
    spelling = Spelling(
        plan,
        COMPUTED[element],
        kernel_names(plan, dims, map(second_piece, doubled)),
        _OWNERS,
        restrict=False,
        lets={let.name: let for let in plan.function.lets},
        types=plan.function.types(),
        numbers=given_numbers(plan.function),
        stored=element,
        rounded_rows=rounded_rows(plan) if element != COMPUTED[element] else frozenset(),
    )
    symbol = f"{stem}_{plan.direction}"
    nests = NestWriter(spelling, symbol, plan.direction != "forward", plan.stages())
    return _CudaText(plan, spelling, symbol, nests, count(1)).view()


def loops_of(plan: KernelPlan) -> list[Loop]:
    """The loops that blocks run step by step."""
    return [part for part in plan.body if isinstance(part, Loop) and not part.in_place]


@dataclass(frozen=True, slots=True)
class _CudaText:
    plan: KernelPlan
    spelling: Spelling
    symbol: str
    nests: NestWriter
    numbers: Iterator[int]

    def view(self) -> CudaKernelView:
        plan = self.plan
        panels = [
            panel for phase in self.row_phases() for panel in panels_of(self.spelling, phase.nests)
        ]
        real, stored = C_TYPES[self.spelling.element], C_TYPES[self.spelling.stored]
        panel_members, panel_takes = [], []
        for panel in panels:
            name = self.spelling.panel(panel[2])
            matrices = ", ".join(let.args[0] for let in panel[2].lets)
            panel_members.append(f"{stored} *{name}; // packed {matrices}")
            size = f"grugen_panel_size({panel_sizes(self.spelling, panel)})"
            panel_takes.append(
                f"work->{name} = static_cast<{stored} *>("
                f"grugen_take(arena, {size} * (int64_t)sizeof({stored})));"
            )
        for buffer in self.spelling.names.buffers:
            if buffer.index is Index.NONE:
                panel_members.append(member(self.spelling, buffer))
                panel_takes.append(take(self.spelling, "work", buffer))
        lists = lists_of(self.spelling)
        once = self.rows(plan.once)
        first = replace(once, nests=once.nests[:1])
        pack_lines = tuple(packs(self.spelling, panels))
        per_sequence = self.rows(plan.per_sequence)
        body = tuple(self.part(part) for part in plan.body)
        return CudaKernelView(
            symbol=self.symbol,
            title=plan.direction,
            real=real,
            work=self.work(),
            panels=MemoryView(
                tuple(panel_members), self.nests.sizes(*panel_takes), tuple(panel_takes)
            ),
            packs=BlockView(
                self.nests.sizes(*pack_lines, *(nest.plan_argument for nest in first.nests)),
                pack_lines,
            ),
            tile=self.tile(panels),
            first=first,
            once=replace(once, nests=once.nests[1:]),
            per_sequence=per_sequence,
            body=body,
            past_the_end=tuple(self.past_the_end()),
            lists=lists,
        )

    def row_phases(self) -> Iterator[Phase]:
        return (phase for phase in self.plan.phases() if phase is not self.plan.once)

    def block(self, lines: Iterable[str]) -> BlockView:
        body = tuple(lines)
        return BlockView(self.nests.sizes(*body), body)

    def work(self) -> MemoryView:
        """The struct of memory for all blocks."""
        # what has no index follows from params alone and lies with the packed matrices
        own = [b for b in self.spelling.names.buffers if b.index in (Index.STEP, Index.BATCH)]
        members = [member(self.spelling, buffer) for buffer in own]
        takes = [take(self.spelling, "work", buffer) for buffer in own]
        for loop in loops_of(self.plan):
            name = common_of(loop)
            members.append(f"char *{name}; // what blocks of {loop.phase.name} have in common")
            cut = f"{self.symbol}_{loop.phase.name}_cut(call, device)"
            takes.append(f"const grugen_tiling {name} = {cut};")
            takes.append(
                f"work->{name} = static_cast<char *>("
                f"grugen_take(arena, {name}.common * {name}.groups));"
            )
        real = C_TYPES[self.spelling.element]
        parts = parts_of(self.spelling, self.symbol)
        if parts:
            members.append(f"{real} *parts; // of totals")
            takes += ["int64_t parts = 0;", *parts]
            takes.append(
                f"work->parts = static_cast<{real} *>("
                f"grugen_take(arena, parts * (int64_t)sizeof({real})));"
            )
        return MemoryView(tuple(members), self.nests.sizes(*takes), tuple(takes))

    def tile(self, panels: Iterable[Panel]) -> tuple[str, ...]:
        buffers = [b for b in self.spelling.names.buffers if _OWNERS[b.index] == "tile"]
        in_registers = {
            carry.buffer
            for part in self.plan.body
            if isinstance(part, Loop) and part.in_place
            for carry in part.carries
        }
        members = [member(self.spelling, b) for b in buffers if b not in in_registers]
        for _, _, segment in panels:
            matrices = ", ".join(let.args[0] for let in segment.lets)
            members.append(f"grugen_panel {self.spelling.panel(segment)}; // {matrices}")
        return tuple(members)

    def rows(self, phase: Phase) -> CudaPhaseView:
        """A phase whose nests run over rows, one after the other."""
        reads = self.plan.reads
        nests = [
            self.nests.nest(phase, nest, reads, next(self.numbers))
            for nest in (*phase.nests, *phase.copies)
        ]
        return CudaPhaseView(f"{self.symbol}_{phase.name}", tuple(nests))

    def part(self, part: Phase | Loop) -> CudaPhaseView:
        if not isinstance(part, Loop):
            return self.rows(part)
        reads = reads_in(self.plan, part)
        if part.in_place:
            nest, states, finals = self.nests.in_place(part, reads, next(self.numbers))
            return CudaPhaseView(
                f"{self.symbol}_{part.phase.name}",
                (nest,),
                loop=True,
                in_place=True,
                states=states,
                finals=finals,
            )
        loops = LoopWriter(self.plan, self.spelling, self.symbol, self.nests, self.numbers)
        return loops.view(part, reads)

    def past_the_end(self) -> Iterator[BlockView]:
        for argument in self.plan.signature.arguments:
            if argument.group is Group.OUTPUT:
                array = self.spelling.base(argument)
                zero = self.spelling.rounded(argument, "0")
                if not argument.shape:
                    line = f"if (threadIdx.x % GRUGEN_WARP == 0) {{ {array}[row] = {zero}; }}"
                    yield BlockView((), (line,))
                    continue
                size = self.spelling.dim(argument.shape[0])
                line = f"{array}[row * {factor(size)} + j] = {zero};"
                loop = (
                    f"for (int64_t j = threadIdx.x % GRUGEN_WARP; j < {size}; j += GRUGEN_WARP) {{"
                )
                yield self.block([loop, line, "}"])
