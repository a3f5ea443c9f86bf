"""The printed form of a step: aligned lines, each with its place in the spec.

There is no parser for it; passes are tested from short specs instead.
"""

from __future__ import annotations

from grugen.ir.nodes import Function, Let, ResultRole


def function_text(function: Function, element: str = "f32") -> str:
    """The whole step, with `element` as the name of the element type."""
    heads = [
        f"  {source.role} {source.name}: {source.type.text(element)}"
        + (f" = {source.key}" if source.key != source.name else "")
        for source in function.sources
    ]
    left = [f"  {let.name}: {let.type.text(element)}" for let in function.lets]
    right = [_operation(let) for let in function.lets]
    name_width = max(map(len, left), default=0)
    operation_width = max(map(len, right), default=0)
    lines = []
    for let, name, operation in zip(function.lets, left, right, strict=True):
        place = f"@{let.span.line}:{let.span.column}" if let.span else ""
        lines.append(f"{name:<{name_width}} = {operation:<{operation_width}}  {place}".rstrip())
    ends = [
        f"  {_result(result.role)} {result.key} = {result.value}" for result in function.results
    ]
    return "\n".join([f"step {function.name} {{", *heads, "", *lines, "", *ends, "}", ""])


def _operation(let: Let) -> str:
    words = [str(arg) for arg in let.args]
    if let.value is not None:
        words.append(f"{let.value:.17g}")
    if let.offset is not None:
        words.append(f"from {let.offset}")
    if let.size is not None:
        words.append(f"size {let.size}")
    return f"{let.op} {', '.join(words)}"


def _result(role: ResultRole) -> str:
    return role.value.replace("_", " ")
