"""No two lines compute the same thing."""

from __future__ import annotations

from dataclasses import replace

from grugen.ir.nodes import Function, Let
from grugen.passes.rename import with_args, with_value


def share(function: Function) -> Function:
    """Lines with the same operation, arguments and attributes are one line, the first.

    t1 = matvec W, x                       t1 = matvec W, x
    t4 = matvec W, x
    z = add t1, t4                  ->     z = add t1, t1
    """
    first: dict[tuple[object, ...], str] = {}
    names: dict[str, str] = {}
    lets: list[Let] = []
    for original in function.lets:
        let = with_args(original, names)
        # repr tells 0.0 from -0.0, which == does not
        key = (let.op, let.args, repr(let.value), let.size, let.offset)
        if key in first:
            names[let.name] = first[key]
        else:
            first[key] = let.name
            lets.append(let)
    results = tuple(with_value(result, names) for result in function.results)
    return replace(function, lets=tuple(lets), results=results)
