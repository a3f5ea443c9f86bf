"""Matrix products whose results are wanted only where a select takes them."""

from __future__ import annotations

from grugen.ir.nodes import Function, Let, Op, ResultRole
from grugen.ir.shapes import PRODUCTS


def find_shielded_products(function: Function) -> tuple[Let, ...]:
    """The products that reach results only through the branches of selects, in order.

    A select keeps a NaN in an unselected element out of results and gradients, but a product mixes
    all elements of its operand: these need finite operands everywhere.
    """
    exposed = {r.value for r in function.results if r.role is not ResultRole.TAPE}
    for let in reversed(function.lets):
        if let.name in exposed:
            exposed.update(let.args[:1] if let.op is Op.SELECT else let.args)
    return tuple(let for let in function.lets if let.op in PRODUCTS and let.name not in exposed)
