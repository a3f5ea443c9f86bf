"""Rows that are kept as factors of products over all rows.

Where products take factors of bfloat16, such rows are kept so: they are rounded once, where they
are computed, and not each time that they are read. A vector that is only summed up is not.
"""

from __future__ import annotations

from collections.abc import Iterator

from grugen.ir.shapes import PRODUCTS
from grugen.target.nests import Nest, Pointwise
from grugen.target.plan import Buffer, Index, KernelPlan, Loop, OuterTotal, Phase
from grugen.target.planning import reads_in


def rounded_rows(plan: KernelPlan) -> frozenset[Buffer]:
    """The rows of vectors that products over all rows read, and otherwise sums over them alone."""
    factors = [
        value
        for total in plan.totals
        if isinstance(total, OuterTotal)
        for value in (total.left, total.right)
    ]
    kept = {plan.total_reads[value].array for value in factors}
    rows = {
        array
        for array in kept
        if isinstance(array, Buffer) and array.index is Index.STEP and not array.number
    }
    parts: list[Phase | Loop] = [plan.once, plan.per_sequence, *plan.body]
    for part in parts:
        reads = reads_in(plan, part)
        for value in _read_by_element(part):
            if value in reads:
                rows.discard(reads[value].array)
    return frozenset(rows)


def _read_by_element(part: Phase | Loop) -> Iterator[str]:
    """The values that a part reads otherwise than as factors of products over all rows."""
    phase = part.phase if isinstance(part, Loop) else part
    for nest in phase.nests:
        yield from _arguments(nest, in_loop=isinstance(part, Loop))
    yield from (copy.value for copy in phase.copies)
    if isinstance(part, Loop):
        yield from (carry.value for carry in part.carries)


def _arguments(nest: Nest, *, in_loop: bool) -> Iterator[str]:
    if not isinstance(nest, Pointwise):
        yield from nest.let.args
        return
    inside = {let.name for let in nest.lets}
    for let in nest.lets:
        factors = let.args[1:] if let.op in PRODUCTS and not in_loop else ()
        yield from (arg for arg in let.args if arg not in inside and arg not in factors)
