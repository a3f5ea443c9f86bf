"""A `KernelPlan` becomes the strings that a kernel template of target `cuda` puts in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count

from grugen.render.c_expr import C_TYPES, ElementType
from grugen.render.cuda_memory import (
    Panel,
    depth_of,
    found,
    kept,
    kept_bytes,
    loop_buffers,
    member,
    or_zero,
    packs,
    panel_sizes,
    panels_of,
    take,
)
from grugen.render.cuda_nests import InLoop, NestWriter, largest
from grugen.render.cuda_tensor import TensorLoop, tensor_loop
from grugen.render.cuda_totals import lists_of, parts_of
from grugen.render.cuda_variants import can_hold, held_fours, variants
from grugen.render.cuda_views import CarryView, CudaKernelView, CudaNestView, CudaPhaseView
from grugen.render.places import Spelling, factor, given_numbers, kernel_names, width_of
from grugen.render.views import BlockView, MemoryView
from grugen.target.abi import COMPUTED, Argument, Group
from grugen.target.meetings import (
    Meeting,
    folded_copies,
    own_copies,
    swapped_carries,
)
from grugen.target.plan import Buffer, Carry, Copy, Index, KernelPlan, Loop, Phase, Place
from grugen.target.planning import reads_in
from grugen.target.posting import can_post
from grugen.target.step_meetings import StepMeetings, second_piece, step_meetings

_OWNERS = {
    Index.NONE: "work",
    Index.STEP: "work",
    Index.BATCH: "work",
    Index.TILE_SEQUENCE: "tile",
}
_MEET = {Meeting.NONE: "", Meeting.BLOCK: "team.meet();", Meeting.ALL: "team.meet_others();"}


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
    )
    symbol = f"{stem}_{plan.direction}"
    nests = NestWriter(spelling, symbol, plan.direction != "forward", dict(plan.stages()))
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
            name = self.common(loop)
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

    def common(self, loop: Loop) -> str:
        return f"grugen_{loop.phase.name}"

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
        return self.loop(part, reads)

    def loop(self, loop: Loop, reads: Mapping[str, Place]) -> CudaPhaseView:
        """A loop that blocks run step by step."""
        plan, spelling = self.plan, self.spelling
        swapped = swapped_carries(plan, loop)
        copies = [
            Copy(carry.value, Place(carry.buffer)) for carry in loop.carries if carry not in swapped
        ]
        folded = folded_copies(plan, loop)
        work = [*loop.phase.nests, *own_copies(plan, loop), *copies]
        found_in = [reads] * (len(work) - len(copies)) + [plan.reads] * len(copies)
        met = step_meetings(plan, loop, reads)
        panels = list(panels_of(spelling, loop.phase.nests))
        possible = tensor_loop(spelling, panels)
        posts = can_post(plan, loop, reads, met)
        posts &= possible is not None or spelling.stored != "bfloat16"
        tensor = possible if posts else None
        states = frozenset(carry.buffer for carry in loop.carries)
        nests = tuple(
            self.nests.nest(
                loop.phase,
                nest,
                where,
                next(self.numbers),
                InLoop(
                    _MEET[level],
                    folded.get(number, ()),
                    met.shared,
                    states if posts else None,
                    tensor,
                ),
            )
            for number, (nest, where, level) in enumerate(
                zip(work, found_in, met.levels, strict=True)
            )
        )
        vectors, numbers = loop_buffers(spelling, loop, met.doubled)
        swaps = [self.swap(carry.buffer, plan.reads[carry.value].array) for carry in swapped]
        swaps += [self.swap(buffer, second_piece(buffer)) for buffer in met.doubled]
        kept_lines = [
            f"grugen_take(&arena, {kept_bytes(spelling, panel, 'tiling.parts')});"
            for panel in panels
        ]
        matrices = sum(len(segment.lets) for _, _, segment in panels)
        held = held_fours(spelling.element, matrices)
        holds = bool(held) or tensor is not None
        return CudaPhaseView(
            name=f"{self.symbol}_{loop.phase.name}",
            nests=tuple(
                replace(nest, loop_panels=", panels" if holds else nest.panels_argument)
                if nest.multiplies
                else nest
                for nest in nests
            ),
            loop=True,
            cuts=True,
            common=self.common(loop),
            starts=tuple(
                self.carry(c, Place(c.buffer), Place(c.initial), "", shared=c.buffer in met.shared)
                for c in loop.carries
            ),
            finishes=tuple(
                self.carry(
                    c, Place(c.final), Place(c.buffer), "if (!rows.ended(slot)) { continue; }"
                )
                for c in loop.carries
            ),
            memory=self.block(take(spelling, "tile", buffer) for buffer in vectors),
            numbers=self.block(take(spelling, "tile", buffer) for buffer in numbers),
            panels=self.block(found(spelling, "tile->", panel) for panel in panels),
            keeps=self.block(self.keep(nests, loop)),
            kept=self.block(kept_lines),
            meet=_MEET[met.end],
            swaps=tuple(swaps),
            holds=holds,
            held_by="int HELD" if tensor is None else "class Team, int HELD",
            holder="HELD" if tensor is None else "Team, HELD",
            or_sums="" if tensor is None else ", or for the sums of their warps",
            room="" if tensor is None else tensor.room(),
            held=tuple(self.held(panel, tensor) for panel in panels),
            gathered=self.block(self.gathered(nests, tensor)),
            hold_lines=tuple(self.hold(nests, loop)),
            can_hold=self.block(can_hold(spelling, panels, held, tensor)),
            variants=tuple(variants(held, tensor, posts=posts)),
            plan_sizes=self.nests.sizes(*(nest.plan for nest in nests), *self.keep(nests, loop)),
            model=self.block(self.model(loop, met, nests, tensor, posts=posts)),
            items=self.block(self.items(nests)),
        )

    def held(self, panel: Panel, tensor: TensorLoop | None) -> str:
        """The declaration of a lane's share of a panel."""
        name, matrices = self.spelling.panel(panel[2]), len(panel[2].lets)
        share = f"grugen_held<{matrices}, HELD>"
        if tensor is not None:
            fragments = f"grugen_fragments<{matrices}, HELD>"
            share = f"typename grugen_choice<Team::on_tensor_cores, {fragments}, {share}>::type"
        return f"{share} {name};"

    def gathered(self, nests: tuple[CudaNestView, ...], tensor: TensorLoop | None) -> Iterator[str]:
        """The lines that tell how many bytes a block takes for rows, or for sums."""
        bytes_each = f"(int64_t)sizeof({C_TYPES[self.spelling.element]})"
        if tensor is not None:
            yield f"if (tiling.posts) {{ return {tensor.size()} * {bytes_each}; }}"
        yield f"return tiling.sequences * ({self.nests.gathered(nests)}) * {bytes_each};"

    def hold(self, nests: tuple[CudaNestView, ...], loop: Loop) -> Iterator[str]:
        """The lines that bring a lane's share of the matrices to its registers."""
        for view, nest in zip(nests, loop.phase.nests, strict=False):
            for _, _, segment in panels_of(self.spelling, [nest]):
                name = self.spelling.panel(segment)
                depth = depth_of(self.spelling, segment)
                plan = view.planned.removeprefix(", ")
                yield f"grugen_hold({plan}, tile.{name}, {depth}, &panels.{name});"

    def keep(self, nests: tuple[CudaNestView, ...], loop: Loop) -> Iterator[str]:
        """The lines that bring a block's share of the matrices to its memory."""
        for view, nest in zip(nests, loop.phase.nests, strict=False):
            for panel in panels_of(self.spelling, [nest]):
                yield kept(self.spelling, panel, view.planned.removeprefix(", "))

    def swap(self, buffer: Buffer, other: Argument | Buffer) -> str:
        names = self.spelling.names.buffers
        assert isinstance(other, Buffer)
        return f"grugen_swap(&tile.{names[buffer]}, &tile.{names[other]});"

    def carry(
        self, carry: Carry, target: Place, source: Place, skip: str, *, shared: bool = False
    ) -> CarryView:
        """One element of a state brought from place to place; to all that have it if `shared`."""
        spelling = self.spelling
        is_number = carry.buffer.number
        index = [] if is_number else ["j"]
        to, at = (" + ".join([*spelling.offsets(place), *index]) for place in (target, source))
        array, value = spelling.base(target.array), or_zero(spelling, source, at)
        line = f"{array}[{to}] = {value};"
        if shared:
            line = f"team.share({array} + {to}, {value});"
        size = "" if is_number else spelling.dim(width_of(carry.buffer))
        if is_number and skip:
            skip = skip.replace("!rows.ended(slot)", "!rows.ended(slot) || team.part > 0")
        return CarryView(size, self.nests.sizes(line, size), skip, line)

    def model(
        self,
        loop: Loop,
        met: StepMeetings,
        nests: tuple[CudaNestView, ...],
        tensor: TensorLoop | None,
        *,
        posts: bool,
    ) -> Iterator[str]:
        """What the model of costs is told of a loop."""
        sizes = []
        for nest, _, segment in panels_of(self.spelling, loop.phase.nests):
            assert nest.size is not None
            factors = [
                factor(depth_of(self.spelling, segment)),
                str(len(segment.lets)),
                factor(self.spelling.dim(nest.size)),
            ]
            sizes.append(" * ".join(factors))
        weights = " + ".join(sizes) or "0"
        units = largest(nest.size for nest in nests if nest.size)
        operands = [factor(operand.depth) for nest in nests for operand in nest.operands]
        awaited = " + ".join(operands) or "0"
        facts = ", ".join(str(fact).lower() for fact in (met.all_near, posts, tensor is not None))
        yield (
            f"const grugen_loop loop = {{{weights}, {units}, {awaited}, {met.of_all}, "
            f"{len(nests)}, {facts}}};"
        )

    def items(self, nests: tuple[CudaNestView, ...]) -> Iterator[str]:
        """How many threads a sequence can use in one nest."""
        yield "int64_t items = GRUGEN_WARP;"
        # a warp for each unit of a tile of rows: its lanes share the depth of a product
        lanes = "GRUGEN_WARP / GRUGEN_TILE_ROWS * "
        sizes = [f"{lanes if n.multiplies else ''}{factor(n.size)}" for n in nests if n.size]
        for size in dict.fromkeys(sizes):
            yield f"items = grugen_larger(items, {size});"

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
