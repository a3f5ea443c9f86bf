"""The loops over steps of target `cuda`: what their blocks have, and how they are cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from grugen.render.c_expr import C_TYPES
from grugen.render.cuda_memory import (
    Panel,
    depth_of,
    found,
    kept,
    kept_bytes,
    loop_buffers,
    or_zero,
    panels_of,
    take,
)
from grugen.render.cuda_nests import NestWriter, largest
from grugen.render.cuda_operands import InLoop
from grugen.render.cuda_tensor import TensorLoop, tensor_loop
from grugen.render.cuda_variants import can_hold, held_fours, looks_ahead, variants
from grugen.render.cuda_views import CarryView, CudaNestView, CudaPhaseView
from grugen.render.places import Spelling, factor, width_of
from grugen.render.views import BlockView
from grugen.target.abi import Argument
from grugen.target.meetings import Meeting, folded_copies, own_copies, swapped_carries
from grugen.target.plan import Buffer, Carry, Copy, KernelPlan, Loop, Place
from grugen.target.posting import can_post
from grugen.target.step_meetings import StepMeetings, second_piece, step_meetings
from grugen.target.triples import triples

_MEET = {Meeting.NONE: "", Meeting.BLOCK: "team.meet();", Meeting.ALL: "team.meet_others();"}


def common_of(loop: Loop) -> str:
    """The name of the memory that blocks of a loop have in common."""
    return f"grugen_{loop.phase.name}"


@dataclass(frozen=True, slots=True)
class LoopWriter:
    """Writes the loops of one kernel that blocks run step by step."""

    plan: KernelPlan
    spelling: Spelling
    symbol: str
    nests: NestWriter
    numbers: Iterator[int]

    def block(self, lines: Iterable[str]) -> BlockView:
        """Lines, and the sizes that they mention."""
        body = tuple(lines)
        return BlockView(self.nests.sizes(*body), body)

    def view(self, loop: Loop, reads: Mapping[str, Place]) -> CudaPhaseView:
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
        shared = {value for value, place in reads.items() if place.array in met.shared}
        # a part of a vector is read by itself, and no reader has a place for it
        are_posted = all(shared.issuperset(stage.operands) for _, stage, _ in panels)
        possible = tensor_loop(spelling, panels) if are_posted else None
        posts = can_post(plan, loop, reads, met)
        posts &= possible is not None or spelling.stored != "bfloat16"
        tensor = possible if posts else None
        states = frozenset(carry.buffer for carry in loop.carries)
        together = triples(plan, loop, reads, met) if tensor is not None else ()
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
                    met.written,
                    states if posts else None,
                    tensor,
                    together,
                    len(loop.phase.nests),
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
        has_room = looks_ahead(spelling.element, matrices)
        return CudaPhaseView(
            name=f"{self.symbol}_{loop.phase.name}",
            nests=tuple(
                replace(nest, loop_panels=", panels" if holds else nest.panels_argument)
                if nest.multiplies
                else nest
                for nest in _looking_ahead(nests)
            ),
            loop=True,
            cuts=True,
            common=common_of(loop),
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
            held_bits=" | ".join(f"grugen_bits(panels.{spelling.panel(p)})" for _, _, p in panels),
            can_hold=self.block(can_hold(spelling, panels, held, tensor)),
            looks_ahead=has_room,
            keeps_lanes=f"decltype(rows)::is_single && HELD > 0 && !Team::posts && ({has_room})",
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
        """The line that has memory change places with another."""
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
        depths = dict.fromkeys(operand.depth for nest in nests for operand in nest.operands)
        ends = " && ".join(f"{factor(depth)} % 4 == 0" for depth in depths) or "true"
        facts = ", ".join(str(fact).lower() for fact in (met.all_near, posts, tensor is not None))
        yield (
            f"const grugen_loop loop = {{{weights}, {units}, {awaited}, {met.of_all}, "
            f"{len(nests)}, {facts}, {ends}}};"
        )

    def items(self, nests: tuple[CudaNestView, ...]) -> Iterator[str]:
        """How many threads a sequence can use in one nest."""
        yield "int64_t items = GRUGEN_WARP;"
        # a warp for each unit of a tile of rows: its lanes share the depth of a product
        lanes = "GRUGEN_WARP / GRUGEN_TILE_ROWS * "
        sizes = [f"{lanes if n.multiplies else ''}{factor(n.size)}" for n in nests if n.size]
        for size in dict.fromkeys(sizes):
            yield f"items = grugen_larger(items, {size});"


def _looking_ahead(nests: Sequence[CudaNestView]) -> Iterator[CudaNestView]:
    """The nests of a step, and when they look ahead: at once, or while others are waited for.

    Blocks that post have time then, those with tensor cores when they have asked for the posts; who
    waits for his own block only has it behind the meeting.
    """
    calls: list[str] = []
    meanwhile: list[str] = []
    for number, nest in enumerate(nests):
        if _waits(nest):
            yield replace(nest, beforehand=tuple(calls), meanwhile=tuple(meanwhile))
            calls, meanwhile = [], []
        elif nest.looks_ahead:
            ahead = f", &{nest.ahead_name}" if nest.ahead else ""
            call = f"{nest.name}_look_ahead(call, work, rows, team{nest.planned}{ahead});"
            waiting = next((later for later in nests[number + 1 :] if _waits(later)), None)
            if waiting is not None:
                calls += ["if constexpr (!Team::posts) {", call, "}"]
            if waiting is not None and waiting.tensor:
                meanwhile.append(call)
                yield nest
            elif waiting is not None:
                yield replace(nest, afterwards=("if constexpr (Team::posts) {", call, "}"))
            else:
                yield replace(nest, afterwards=(call,))
        else:
            yield nest


def _waits(nest: CudaNestView) -> bool:
    return bool(nest.multiplies and nest.posts)
