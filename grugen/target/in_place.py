"""Which loops run through time one element at a time, and overwrite their states as they go.

Where every element of the states needs only itself and what lies in memory, nobody waits for the
others at the end of a step: the rows of a whole time block follow each other in one loop. When
sequences are fewer than threads, a team shares the elements, and meets once a time block.

Why such a loop is not cut into chunks of time (a parallel scan: each chunk's result and product of
factors at once, joined one after the other, then applied), which would do where even the elements
are too few. Measured with `grugen profile` on one thread of an AMD EPYC with AVX-512, T = 4096,
B = 1, H = 64: of a forward call of mingru (972 us) the loop is 85 us, of its backward call
(1643 us) 60 us. The rest are products over all rows. A scan does the loop's work twice, so two
threads gain nothing over sharing the elements. Sixteen threads share 4 vectors of elements in
85 / 4 = 21 us; chunks would take 2 * 85 / 16 = 11 us. Beside 887 / 16 = 55 us of all else, if that
were spread perfectly, the call would be 66 instead of 76 us. With H = 256 or more there is a vector
for every thread. It would also add rounding that the plain loop does not have.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from grugen.ir.nodes import Let
from grugen.ir.shapes import ELEMENTWISE
from grugen.ir.types import Type
from grugen.target.nests import INLINE, Nest, Pointwise, View


@dataclass(frozen=True, slots=True)
class LoopLines:
    """A loop before it is planned: its states, all its lines, and the nests that compute them."""

    states: tuple[str, ...]
    lets: Sequence[Let]
    nests: tuple[Nest, ...]


def runs_in_place(
    loop: LoopLines,
    types: Mapping[str, Type],
    views: Mapping[str, View],
    handed_out: Collection[str],
) -> bool:
    """Whether `loop` can run over elements, all of its lines for one before those for the next.

    Its states are vectors of one size, and so is every line, each an operation on single
    elements; no part of a vector is `handed_out`, as the vector would have to be in memory.
    """
    shapes = {types[state].shape for state in loop.states}
    if len(shapes) != 1 or shapes == {()}:
        return False
    inside = {*loop.states, *(let.name for let in loop.lets)}
    parts = {value for value in handed_out if views[value].base != value}
    return (
        all(let.op in ELEMENTWISE for let in loop.lets)
        and all({let.type.shape} == shapes for let in loop.lets if let.op not in INLINE)
        and all(isinstance(nest, Pointwise) and nest.size is not None for nest in loop.nests)
        and not any(views[value].base in inside for value in parts)
    )
