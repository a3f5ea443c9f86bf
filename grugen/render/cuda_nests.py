"""The nests of a phase as functions of CUDA, each with what it needs to stand alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from grugen.render.c_expr import ElementType, c_text
from grugen.render.cuda_memory import depth_of, found, or_zero, panels_of
from grugen.render.cuda_operands import (
    InLoop,
    asked_first,
    operand_views,
    tensor_lines,
    tile_shape,
    tiled_products,
)
from grugen.render.cuda_views import CudaNestView, CudaOperandView
from grugen.render.kept_text import find_first, unit_text
from grugen.render.nest_text import PhaseText
from grugen.render.phase_text import title_of
from grugen.render.places import Spelling, factor, index_of
from grugen.render.thread_text import ThreadText, copied, joined
from grugen.render.words import sizes_of, words_of
from grugen.spec.dims import Dim
from grugen.target.meetings import Array
from grugen.target.nests import Join, Nest, Pointwise
from grugen.target.plan import Copy, Index, Loop, Phase, Place
from grugen.target.schedule import cuda_tile_rows
from grugen.target.stages import Stage

_ROWS = {
    "row": "const int64_t row = here.row;",
    "slot": "const int64_t slot = here.slot;",
    "b": "const int64_t b = here.b;",
}


_NUMBER = "typename Rows::number"
"""The type of a row's number where rows may be those of a single sequence."""
_NUMBER_ALONE = "grugen_row_number"
"""Where they are."""


def _counted(rows: Iterable[str], number: str) -> tuple[str, ...]:
    """Declarations of what picks a row, with another type of the row's `number`."""
    other = _ROWS["row"].replace("int64_t", number)
    return tuple(other if line == _ROWS["row"] else line for line in rows)


def largest(sizes: Iterable[str]) -> str:
    """The expression of the largest of some sizes; 0 if there are none."""
    text = ""
    for size in dict.fromkeys(sizes):
        text = f"grugen_larger({text}, {size})" if text else size
    return text or "0"


def _keep_tape(code: Iterable[str]) -> tuple[str, ...]:
    """What tells whether the caller wants a tape, where code asks for it."""
    line = "const int keep_tape = call->keep_tape;"
    return (line,) if "keep_tape" in words_of(code) else ()


_MOST_DOUBLE_SUMS = 3
"""For each unit; with more of them a thread needs more registers than half of a processor's."""


def blocks_at_once(element: ElementType, sums: int) -> int:
    """How many blocks of a launch for one step a processor's registers have to do for."""
    return 1 if element == "float64" and sums > _MOST_DOUBLE_SUMS else 2


@dataclass(frozen=True, slots=True)
class NestWriter:
    """Writes the nests of one kernel."""

    spelling: Spelling
    symbol: str
    back: bool
    stages: Mapping[Pointwise, Stage]

    def sizes(self, *texts: str) -> tuple[str, ...]:
        """The declarations of the dimensions that code mentions."""
        # the device counts in 32 bits faster
        return tuple(
            f"const int {line.removeprefix('const int64_t ').split(' = ')[0]} = "
            f"(int){line.split(' = ')[1]}"
            for line in sizes_of(self.spelling, texts)
        )

    def phase(self, phase: Phase, reads: Mapping[str, Place]) -> PhaseText:
        """What writes one nest: its constants are its own."""
        return PhaseText(self.spelling, phase, reads, _ROWS, ("", ""), self.back)

    def nest(
        self,
        phase: Phase,
        nest: Nest | Copy,
        reads: Mapping[str, Place],
        number: int,
        inside: InLoop | None = None,
    ) -> CudaNestView:
        """One nest, copy or carry of a phase; `number` makes its name one of its own."""
        text = self.phase(phase, reads)
        stage = self.stages.get(nest) if isinstance(nest, Pointwise) else None
        title = ""
        shared = inside.shared if inside else frozenset[Array]()
        operands: tuple[CudaOperandView, ...] = ()
        multiplies: tuple[str, ...] = ()
        tensor: tuple[str, ...] = ()
        shares = ""
        lines: list[str] = []
        size: Dim | None
        if isinstance(nest, Copy):
            body = copied(text, nest, shared)
            size = body.nest.size
            title = f"// {nest.value} as it is"
        elif isinstance(nest, Join):
            body, size = joined(text, nest, shared), nest.let.type.shape[0]
            title = text.cited(nest.let)
        else:
            body = ThreadText(text, nest, stage, is_early=inside is not None, shared=shared)
            body.stores_last = inside is not None and inside.states is not None
            body.written = inside.written if inside else frozenset()
            body.triples = inside.triples if inside else ()
            lines, size = body.lines(), nest.size
            lines += body.last_lines()
            lines += [body.copy(copy) for copy in (inside.copies if inside else ())]
        if stage is not None:
            title = title_of(stage.segments)
            operands, multiplies = operand_views(text, stage, inside)
            if inside and inside.tensor:
                tensor = tuple(tensor_lines(text, stage, operands, inside))
                shares = inside.tensor.memory(stage)
        rows = text.rows(body.places)
        if inside is not None:
            rows = _counted(rows, _NUMBER)
        shown = self.spelling.dim(size) if size is not None else ""
        plan, plan_type = self.plan_of(stage, shown)
        panels = tuple(
            found(self.spelling, "tile.", panel) for panel in panels_of(self.spelling, [nest])
        )
        posts = inside is not None and inside.states is not None
        pointers = [operand.pointer for operand in operands]
        first = asked_first(operands)
        code = (*body.steady, *body.asks, *body.loads, *lines, *multiplies, *pointers)
        hints = body.hints if stage else ()
        constants = self.constants(text, (*code, *hints))
        code = (*constants, *code)
        name = f"{self.symbol}_{number}_{phase.name}"
        unit, found_rows = unit_text(body.steady), text.rows(body.ahead_places)
        kept = [*unit.members, *body.ahead] if stage and body.asks and inside else []
        return CudaNestView(
            name=name,
            title=title,
            sizes=self.sizes(*code),
            all_sizes=self.sizes(*code, shown, *panels),
            constants=(*_keep_tape(code), *constants),
            rows=rows,
            steady=tuple(body.steady),
            lines=(*body.loads, *lines),
            size=shown,
            operands=operands,
            multiplies=multiplies,
            posts=posts,
            collects=posts and not tensor,
            shares=shares,
            ask_first=first if tensor and len(first) == 1 else (),
            tensor=tensor,
            products=tiled_products(text, stage) if stage and inside is None else (),
            shape=tile_shape(text, stage, back=self.back) if stage else "",
            tile_sizes=self.sizes(shown) if stage else (),
            wide=str(len(stage.sums)) if stage else "",
            most_rows=str(cuda_tile_rows(len(stage.sums))) if stage else "",
            blocks=blocks_at_once(self.spelling.element, len(stage.sums) if stage else 0),
            early=tuple(body.early),
            early_rows=_counted(text.rows(body.early_places), _NUMBER),
            asks=tuple(body.asks),
            takes=tuple(body.takes),
            take_rows=_counted(text.rows(body.take_places), _NUMBER),
            ahead=() if stage else tuple(body.ahead),
            ahead_name=f"ahead_{number}",
            kept=tuple(kept),
            kept_name=f"kept_{number}",
            unit=tuple(unit.declared),
            unit_constants=self.mentioned(text, unit.finds),
            finds_unit=tuple(unit.finds),
            takes_unit=tuple(unit.takes),
            reads_unit=tuple(unit.reads),
            find_first=find_first(name, number) if kept else (),
            found_constants=self.mentioned(text, body.finds),
            found_rows=_counted(found_rows, _NUMBER_ALONE) if stage else found_rows,
            finds=tuple(body.finds),
            looks_ahead=bool(size and not stage and (body.ahead or body.hints)),
            hint_constants=self.mentioned(text, body.hints),
            hint_rows=text.rows(body.hint_places),
            hints=tuple(body.hints),
            plan=plan,
            plan_type=plan_type,
            plan_line=self.plan_line(number, plan_type, plan, is_stage=stage is not None),
            panels_argument=", tile" if stage else "",
            plan_argument=f", {plan}" if plan else "",
            planned=f", plan_{number}" if plan else "",
            plan_sizes=self.sizes(plan),
            panels=panels,
            caller_sizes=self.sizes(plan, *panels),
            meet=inside.meet if inside else "",
        )

    def mentioned(self, text: PhaseText, lines: Iterable[str]) -> tuple[str, ...]:
        """The declarations of sizes and constants that some lines mention."""
        return (*self.sizes(*lines), *self.constants(text, lines))

    def constants(self, text: PhaseText, lines: Iterable[str]) -> tuple[str, ...]:
        """The declarations of what is the same for all rows, and mentioned by some lines."""
        words = words_of(lines)
        return tuple(line for name, line in text.constants.items() if name in words)

    def plan_line(self, number: int, plan_type: str, plan: str, *, is_stage: bool) -> str:
        """The line that spreads a nest in a loop; a stage's lanes may hold some of the matrices."""
        if is_stage:
            plan = plan.removesuffix(")") + ", HELD)"
        return f"const {plan_type} plan_{number} = {plan};" if plan else ""

    def plan_of(self, stage: Stage | None, size: str) -> tuple[str, str]:
        """The expression that spreads a nest over threads, and its type."""
        if stage is not None:
            depth = depth_of(self.spelling, stage.segments[0])
            rows = f"grugen_fewer(ROWS, {cuda_tile_rows(len(stage.sums))})"
            call = f"grugen_first_tile(team, rows.count(), {size}, {depth}, {rows})"
            return call, "grugen_tile"
        if size:
            return f"grugen_spread_over(team, {size})", "grugen_spread"
        return "", ""

    def gathered(self, views: Iterable[CudaNestView]) -> str:
        """Elements of memory that the stage with most operands gathers for a sequence."""
        sizes = [
            " + ".join(f"grugen_padded({operand.depth})" for operand in view.operands)
            for view in views
            if view.operands
        ]
        return largest(sizes)

    def in_place(
        self, loop: Loop, reads: Mapping[str, Place], number: int
    ) -> tuple[CudaNestView, tuple[str, ...], tuple[str, ...]]:
        """A loop as one nest, how its states start in registers, and how they are handed out."""
        text = self.phase(loop.phase, reads)
        lets = tuple(
            let for nest in loop.phase.nests if isinstance(nest, Pointwise) for let in nest.lets
        )
        size = loop.carries[0].buffer.width
        # "now" beside the name of a state: its value between steps
        registers = {
            carry.buffer: text.beside(text.name(carry.state), "now") for carry in loop.carries
        }
        body = ThreadText(text, Pointwise(size, lets), registers=registers)
        body.named = frozenset(carry.value for carry in loop.carries)
        entering: list[str] = []
        for carry in loop.carries:
            if carry.state in loop.phase.writes:
                body.element(carry.state)
                entering += body.stores(carry.state)
        lines = body.lines()
        # all states are read before the first of them changes
        after = [
            f"{registers[carry.buffer]} = {c_text(body.element(carry.value).expr)};"
            for carry in loop.carries
        ]
        real = body.c_type(False)
        states, finals = [], []
        for carry in loop.carries:
            register = registers[carry.buffer]
            start, end = (
                self.element_of(Place(argument)) for argument in (carry.initial, carry.final)
            )
            states.append(f"{real} {register} = {start};")
            finals.append(f"{end} = {register};")
        constants = tuple(text.constants.values())
        code = (*constants, *body.steady, *body.loads, *entering, *lines, *after)
        # the template multiplies it
        shown = factor(self.spelling.dim(size))
        view = CudaNestView(
            name=f"{self.symbol}_{number}_{loop.phase.name}",
            title="",
            sizes=self.sizes(*code, *states, *finals, shown),
            all_sizes=(),
            constants=(*_keep_tape(code), *constants),
            rows=(),
            steady=tuple(body.steady),
            lines=(*body.loads, *entering, *lines, *after),
            size=shown,
            caller_sizes=self.sizes(shown),
        )
        return view, tuple(states), tuple(finals)

    def element_of(self, place: Place) -> str:
        """Element j of the current sequence in one of the caller's arrays."""
        offsets = self.spelling.offsets(place)
        if index_of(place.array) is Index.BATCH and not getattr(place.array, "shape", ()):
            return or_zero(self.spelling, place, " + ".join(offsets))
        return or_zero(self.spelling, place, " + ".join([*offsets, "j"]))
