"""A `KernelPlan` becomes the strings that a kernel template puts in their places."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from grugen.render.c_expr import C_TYPES, ElementType
from grugen.render.components import Components, components_of
from grugen.render.in_place_text import in_place_view
from grugen.render.memory_text import (
    memory_view,
    most_operands,
    packs,
    panels_view,
    row_bytes,
    with_wanted_memory,
)
from grugen.render.nest_text import PhaseText
from grugen.render.phase_text import nest_views
from grugen.render.places import (
    Spelling,
    factor,
    given_numbers,
    kernel_names,
    width_of,
)
from grugen.render.totals_text import totals_lines, with_totals_memory
from grugen.render.views import BlockView, KernelView, MemoryView, NestView, PhaseView
from grugen.render.words import sizes_of, words_of
from grugen.target.abi import Argument, Group
from grugen.target.meetings import folded_copies, own_copies
from grugen.target.plan import (
    Carry,
    Index,
    KernelPlan,
    Loop,
    Phase,
    Place,
    Total,
)
from grugen.target.planning import reads_in

_OWN_ROW = "own_row"
_IN_TILE = {
    "row": "const int64_t row = tile->row[q];",
    _OWN_ROW: f"const int64_t {_OWN_ROW} = tile->{_OWN_ROW}[q];",
    "slot": "const int64_t slot = tile->slot[q];",
    "b": "const int64_t b = tile->order[tile->slot[q]];",
}
_OVER_SEQUENCES = {"b": "const int64_t b = tile->order[slot];"}
_OPENMP_OWNERS = {
    Index.NONE: "work",
    Index.STEP: "work",
    Index.TILE_ROW: "tile",
    Index.TILE_SEQUENCE: "tile",
}
_SPECIALISED = "inline __attribute__((always_inline)) "
_KEEP = ",\nconst int keep_tape"
_BASELINE_OWNERS = {Index.NONE: "work", Index.BATCH: "work"}


def kernel_view(
    plan: KernelPlan, stem: str, element: ElementType, dims: Iterable[str]
) -> KernelView:
    """Everything the templates of a kernel put in place; `dims` in the order of the struct."""
    baseline = not plan.schedule.staged
    owners = _BASELINE_OWNERS if baseline else _OPENMP_OWNERS
    spelling = Spelling(
        plan,
        element,
        kernel_names(plan, dims),
        owners,
        restrict=not baseline,
        lets={let.name: let for let in plan.function.lets},
        types=plan.function.types(),
        numbers=given_numbers(plan.function),
        stored=element,
        own_row=_OWN_ROW,
    )
    symbol = f"{stem}_{plan.direction}"
    components = components_of(plan)
    return _KernelText(plan, spelling, symbol, C_TYPES[element], baseline, components).view()


@dataclass(frozen=True, slots=True)
class _KernelText:
    plan: KernelPlan
    spelling: Spelling
    symbol: str
    real: str
    baseline: bool
    components: Components

    @property
    def keeps_tape(self) -> bool:
        return any(found.group is Group.TAPE for found in self.plan.signature.arguments)

    def view(self) -> KernelView:
        plan = self.plan
        keeps_tape = self.keeps_tape
        carries = [c for part in plan.body if isinstance(part, Loop) for c in part.carries]
        ends = self.block(self.moved(Place(c.final), Place(c.buffer)) for c in carries)
        past_the_end = self.block(self.past_the_end())
        once = self.phase(plan.once, plan.reads, {})
        work, tile = memory_view(self.spelling, "work"), memory_view(self.spelling, "tile")
        own = MemoryView((), (), ())
        if not self.baseline:
            work, own = with_totals_memory(self.spelling, work)
            own = with_wanted_memory(self.spelling, own)
        panels = panels_view(self.spelling)
        return KernelView(
            symbol=self.symbol,
            title=plan.direction,
            real=self.real,
            keeps_tape=keeps_tape,
            specialised=_SPECIALISED if keeps_tape else "",
            keep_parameter=_KEEP if keeps_tape else "",
            work=replace(work, sizes=self.sizes(work.takes)),
            own=own,
            tile=replace(tile, sizes=self.sizes([*own.takes, *tile.takes])),
            operands=tuple(str(i) for i in range(most_operands(self.spelling))),
            most_operands=str(max(1, most_operands(self.spelling))),
            meets=str(int(any(isinstance(p, Loop) and not p.in_place for p in plan.body))),
            row_bytes=self.block([f"return {row_bytes(self.spelling)};"]),
            panels=replace(panels, sizes=self.sizes(panels.takes)),
            packs=self.block(packs(self.spelling)),
            once=once,
            per_sequence=self.phase(
                plan.per_sequence, plan.reads, _OVER_SEQUENCES, rows=("0", "tile->count")
            ),
            body=tuple(self.part(part) for part in plan.body),
            starts=self.block(self.moved(Place(c.buffer), Place(c.initial)) for c in carries),
            ends=replace(ends, sizes=self.sizes([*ends.lines, *past_the_end.lines])),
            clears=self.block(self.clears()),
            past_the_end=past_the_end,
            totals=self.block(self.totals()),
            components=self.components.quoted(),
            packing=self.components.mark(0),
            rest=self.components.mark(len(self.components.names) - 1),
        )

    def block(self, lines: Iterable[str]) -> BlockView:
        body = tuple(lines)
        return BlockView(self.sizes(body), body)

    def sizes(self, lines: Iterable[str]) -> tuple[str, ...]:
        return sizes_of(self.spelling, lines)

    def part(self, part: Phase | Loop) -> PhaseView:
        """A phase of the body; in the baseline it adds each row to the totals, too."""
        reads = reads_in(self.plan, part)
        row_lines = {} if self.baseline else _IN_TILE
        if isinstance(part, Loop) and part.in_place:
            view = self.in_place(part)
        elif isinstance(part, Loop):
            totals = self.plan.totals if self.baseline else ()
            view = self.phase(part.phase, reads, row_lines, totals, part)
        else:
            view = self.phase(part, reads, row_lines)
        if "keep_tape" not in words_of(_phase_texts(view)):
            return view
        return replace(
            view, specialised=_SPECIALISED, keep_parameter=_KEEP, keep_argument=", keep_tape"
        )

    def phase(
        self,
        phase: Phase,
        reads: Mapping[str, Place],
        row_lines: Mapping[str, str],
        totals: Iterable[Total] = (),
        loop: Loop | None = None,
        *,
        rows: tuple[str, str] = ("first", "last"),
    ) -> PhaseView:
        back = self.plan.direction != "forward"
        text = PhaseText(self.spelling, phase, reads, row_lines, rows, back)
        stages = self.plan.stages()
        in_steps = None if self.baseline else loop
        folded = {} if in_steps is None else folded_copies(self.plan, in_steps)
        copies = phase.copies if in_steps is None else own_copies(self.plan, in_steps)
        nests = nest_views(text, stages, folded, copies)
        nests += tuple(text.total(total) for total in totals)
        moves = tuple(self.carry(carry) for carry in (loop.carries if loop else ()))
        if not self.baseline:
            both = self.components.marked(phase, (*nests, *moves))
            nests, moves = both[: len(nests)], both[len(nests) :]
        constants = tuple(text.constants.values())
        pointers: tuple[str, ...] = ()
        if self.baseline:
            pointers = tuple(dict.fromkeys(line for nest in nests for line in nest.pointers))
            nests = tuple(replace(nest, pointers=()) for nest in nests)
        # products fetch what is listed
        listed = loop is not None and any(nest.multiplies for nest in nests)
        wants = tuple(text.wants.values()) if listed else ()
        view = PhaseView(
            phase.name, (), (), constants, pointers, nests, moves, loop is not None, wants
        )
        texts = _phase_texts(view)
        return replace(view, heads=self.heads(texts), sizes=self.sizes(texts))

    def in_place(self, loop: Loop) -> PhaseView:
        """A loop that needs no steps: one nest over rows."""
        back = self.plan.direction != "forward"
        reads = reads_in(self.plan, loop)
        text = PhaseText(self.spelling, loop.phase, reads, _IN_TILE, ("first", "last"), back)
        number = self.components.of[loop.phase.name][0]
        nests = (replace(in_place_view(text, loop), mark=self.components.mark(number)),)
        constants = tuple(text.constants.values())
        view = PhaseView(loop.phase.name, (), (), constants, (), nests, (), loop=False)
        texts = _phase_texts(view)
        return replace(view, heads=self.heads(texts), sizes=self.sizes(texts))

    def heads(self, texts: Collection[str]) -> tuple[str, ...]:
        """What a function over a tile needs of the call: declared if it is mentioned."""
        words = words_of(texts)
        lines: list[str] = []
        if self.baseline:
            keep = "const int keep_tape = call->keep_tape;"
            return (keep,) if "keep_tape" in words else ()
        if "call" in words or not words.isdisjoint(self.spelling.names.dims.values()):
            lines.append(f"const {self.symbol}_call *const call = tile->call;")
        if "work" in words:
            lines.append(f"const {self.symbol}_work *const work = tile->work;")
        return tuple(lines)

    def carry(self, carry: Carry) -> NestView:
        """What brings a state's next value to where the next step finds it."""
        view = self.plan.views[carry.value]
        whole = self.plan.reads[view.base]
        source = Place(whole.array, whole.offset + view.offset)
        needed = {self.spelling.row_variable(array) for array in (carry.buffer, source.array)}
        row_lines = {} if self.baseline else _IN_TILE
        return NestView(
            title=f"// {carry.state} of the next step",
            rows=tuple(line for name, line in row_lines.items() if name in needed),
            pointers=(),
            size="",
            lines=(self.moved(Place(carry.buffer), source),),
        )

    def moved(self, target: Place, source: Place) -> str:
        """One row of a value copied from place to place."""
        size = factor(self.spelling.dim(width_of(target.array)))
        rows = f"{self.spelling.row(target)}, {self.spelling.row(source)}"
        if not self.baseline:
            return f"grugen_copy_v({rows}, {size});"
        return f"memcpy({rows}, (size_t){size} * sizeof({self.real}));"

    def past_the_end(self) -> Iterator[str]:
        for argument in self.plan.signature.arguments:
            if argument.group is Group.OUTPUT:
                yield self.cleared(argument, self.spelling.row(Place(argument)), "")

    def totals(self) -> Iterator[str]:
        return iter(()) if self.baseline else totals_lines(self.spelling, self.components)

    def clears(self) -> Iterator[str]:
        for argument in self.plan.signature.arguments:
            if argument.group is Group.SEQUENCE_SUM:
                yield self.cleared(argument, self.spelling.base(argument), "call->B")
            elif argument.group is Group.TOTAL:
                yield self.cleared(argument, self.spelling.base(argument), "")

    def cleared(self, argument: Argument, pointer: str, count: str) -> str:
        factors = [count] if count else []
        factors += [factor(self.spelling.dim(dim)) for dim in argument.shape]
        elements = " * ".join(factors) or "1"
        return f"memset({pointer}, 0, (size_t){factor(elements)} * sizeof({self.real}));"


def _phase_texts(view: PhaseView) -> list[str]:
    """Every text of a phase that is code."""
    nests = [text for nest in (*view.nests, *view.carries) for text in _texts(nest)]
    code = [text for text in nests if not text.startswith("//")]
    return [*code, *view.constants, *view.pointers, *view.wants]


def _texts(nest: NestView) -> tuple[str, ...]:
    """Every text of a nest that may mention a size."""
    operands = [text for operand in nest.operands for text in (*operand.rows, operand.pointer)]
    own = (*nest.rows, *nest.pointers, nest.size, *nest.steady, *nest.lines)
    rounds = [text for part in nest.rounds for text in (*part.rows, *part.heads, *part.lines)]
    return (*own, *operands, *nest.multiplies, *rounds)
