"""The totals of a kernel as lists that one launch sums up."""

from __future__ import annotations

from grugen.render.cuda_views import ListView
from grugen.render.places import Spelling, width_of
from grugen.render.words import sizes_of
from grugen.target.plan import OuterTotal, SequenceTotal, Total, VectorTotal

_KINDS: tuple[tuple[str, type, str], ...] = (
    ("outers", OuterTotal, "grugen_outer"),
    ("vectors", VectorTotal, "grugen_summand"),
    ("sequences", SequenceTotal, "grugen_summand"),
)


def lists_of(spelling: Spelling) -> tuple[ListView, ...]:
    """The lists that a kernel has."""
    found: list[ListView] = []
    for name, kind, struct in _KINDS:
        totals = [total for total in spelling.plan.totals if isinstance(total, kind)]
        if totals:
            members = tuple(f"{_member(spelling, total)}," for total in totals)
            found.append(
                ListView(
                    name=name,
                    type=f"grugen_list<{struct}, {len(totals)}>",
                    sizes=sizes_of(spelling, members),
                    members=members,
                    call=_CALLS[name],
                )
            )
    return tuple(found)


_CALLS = {
    "outers": "grugen_outer_totals(list, all, work.parts, stream)",
    "vectors": "grugen_vector_totals(list, all, work.parts, stream)",
    "sequences": "grugen_sequence_totals(list, all, stream)",
}
_PARTS: dict[str, str] = {"outers": "grugen_outer_parts", "vectors": "grugen_vector_parts"}


def parts_of(spelling: Spelling, symbol: str) -> list[str]:
    """The lines that find out how much memory parts of totals take."""
    return [
        f"parts = grugen_larger(parts, {_PARTS[view.name]}({symbol}_{view.name}(call, work), "
        "call->T * call->B));"
        for view in lists_of(spelling)
        if view.name in _PARTS
    ]


def _member(spelling: Spelling, total: Total) -> str:
    target = spelling.base(total.argument)
    if isinstance(total, OuterTotal):
        return f"{{{_kept(spelling, total.left)}, {_kept(spelling, total.right)}, {target}}}"
    return f"{{{_kept(spelling, total.value)}, {target}}}"


def _kept(spelling: Spelling, value: str) -> str:
    """Base, stride and width of a value that is kept for all rows, and whether as it is stored."""
    array = spelling.plan.total_reads[value].array
    stored = ", true" if spelling.converts(array) else ""
    sizes = f"{spelling.stride(array)}, {spelling.dim(width_of(array))}"
    return f"{{{spelling.base(array)}, {sizes}{stored}}}"
