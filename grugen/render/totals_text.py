"""The calls that form totals over all rows when the tiles are done, and the memory they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from grugen.render.c_expr import C_TYPES
from grugen.render.components import Components
from grugen.render.places import Spelling, factor
from grugen.render.views import MemoryView
from grugen.spec.dims import Dim
from grugen.target.plan import NO_OFFSET, Buffer
from grugen.target.totals import (
    Again,
    OuterTotals,
    as_they_lie,
    outer_totals,
    totals_again,
    vector_totals,
)


def totals_lines(spelling: Spelling, components: Components) -> Iterator[str]:
    """A block for each call: what is summed up, and the call."""
    marks = (components.mark(number) for number in components.totals)
    memory = _memory(spelling)
    if memory:
        yield f"{C_TYPES[spelling.element]} *sums = work->sums;"
    for number, found in enumerate(outer_totals(spelling.plan.totals), 1):
        group = as_they_lie(found, spelling.plan.total_reads)
        yield next(marks)
        yield "{"
        yield from _listed("grugen_outer", "outers", _outers(spelling, group))
        right = (_rows_of(spelling, group.right), "NULL, NULL")
        yield from _listed("grugen_outer", "right", [right])
        yield (
            f"grugen_outer_totals(team, rows, outers, {len(group.members)}, right, packed, sums);"
        )
        yield "}"
        if number < len(memory):
            yield f"sums += {memory[number - 1]};"
    vectors = [
        (_rows_of(spelling, total.value), spelling.base(total.argument))
        for total in vector_totals(spelling.plan.totals)
    ]
    if vectors:
        yield next(marks)
        yield "{"
        yield from _listed("grugen_summand", "vectors", vectors)
        yield f"grugen_vector_totals(team, rows, vectors, {len(vectors)}, sums);"
        yield "}"
    yield from _copies(spelling, totals_again(spelling.plan.totals))


def with_totals_memory(spelling: Spelling, work: MemoryView) -> tuple[MemoryView, MemoryView]:
    """The shared memory with what the totals need, and what each thread needs for itself."""
    plan, real = spelling.plan, C_TYPES[spelling.element]
    if not plan.totals:
        return work, MemoryView((), (), ())
    takes = ["int64_t sums = 0;", *(f"sums += {size};" for size in _memory(spelling))]
    takes.append(f"work->sums = grugen_take(arena, sums * (int64_t)sizeof({real}));")
    packed = f"GRUGEN_OUTER_PACKED * (int64_t)sizeof({real})"
    return (
        replace(
            work,
            members=(*work.members, f"{real} *sums; // parts of totals"),
            takes=(*work.takes, *takes),
        ),
        MemoryView(
            (f"{real} *packed; // operands of totals",),
            (),
            (f"tile->packed = grugen_take(arena, {packed});",),
        ),
    )


def _memory(spelling: Spelling) -> list[str]:
    """What each call needs of the memory that threads share, in elements: a part of its own.

    So nobody waits before a call until the one before it is done everywhere.
    """
    sizes: list[str] = []
    for group in outer_totals(spelling.plan.totals):
        units = _units(spelling, (total.left for total in group.members))
        right = spelling.dim(_width(spelling, group.right))
        ones = int(group.has_sums)
        sizes.append(f"grugen_outer_shared(call->T * call->B, {units}, {right}, {ones})")
    vectors = [total.value for total in vector_totals(spelling.plan.totals)]
    if vectors:
        units = _units(spelling, iter(vectors))
        sizes.append(f"grugen_vector_shared(call->T * call->B, {units})")
    return sizes


def _listed(struct: str, name: str, entries: list[tuple[str, str]]) -> Iterator[str]:
    yield f"const {struct} {name}[] = {{"
    for number, (operand, total) in enumerate(entries, 1):
        yield f"{{{operand},"
        yield f"{total}}}{',' if number < len(entries) else ''}"
    yield "};"


def _outers(spelling: Spelling, group: OuterTotals) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for total, vector in zip(group.members, group.sums, strict=True):
        by_itself = "NULL" if vector is None else spelling.base(vector.argument)
        results = f"{spelling.base(total.argument)}, {by_itself}"
        found.append((_rows_of(spelling, total.left), results))
    return found


def _copies(spelling: Spelling, again: tuple[Again, ...]) -> Iterator[str]:
    if not again:
        return
    yield "// the same sums again, when all of them are there"
    yield "grugen_gather(team);"
    yield "if (team->member == 0) {"
    for found in again:
        places = [spelling.base(total.argument) for total in (found.total, found.formed)]
        width = factor(spelling.dim(_width(spelling, found.total.value)))
        size = f"(size_t){width} * sizeof({C_TYPES[spelling.element]})"
        yield f"memcpy({', '.join(places)}, {size});"
    yield "}"


def _rows_of(spelling: Spelling, value: str) -> str:
    """Where a value that is kept for all rows lies, its stride and width."""
    place = spelling.plan.total_reads[value]
    offset = "" if place.offset == NO_OFFSET else f" + {spelling.dim(place.offset)}"
    stride, width = spelling.stride(place.array), spelling.dim(_width(spelling, value))
    list_of = "OWN" if isinstance(place.array, Buffer) else "GIVEN"
    base = f"{spelling.base(place.array)}{offset}"
    return f"GRUGEN_{list_of}, {base}, {stride}, {width}"


def _width(spelling: Spelling, value: str) -> Dim:
    shape = spelling.types[value].shape
    return shape[0] if shape else Dim.fixed(1)


def _units(spelling: Spelling, values: Iterator[str]) -> str:
    total = Dim(())
    for value in values:
        total = total + _width(spelling, value)
    return spelling.dim(total)
