"""Steps from a few equations, and their lines as short text."""

from __future__ import annotations

from collections.abc import Iterable

from grugen.ir.from_spec import lower_spec
from grugen.ir.nodes import Function, Let
from grugen.source import SourceText
from grugen.spec import read_text

HEAD = """\
spec: 1
name: snippet
inputs: {x: [H], m: {shape: [H], role: mask, default: 1}}
states: {h: [H]}
params: {W: [H, H], b: [H]}
"""


def step(equations: str, head: str = HEAD, output: str = "h'") -> Function:
    """The forward step of equations of x, m, h, W, U, V, b and c; what they leave out goes."""
    lines = [line.strip() for line in equations.strip().splitlines()]
    text = head if head != HEAD else _used(equations)
    block = "".join(f"  {line}\n" for line in lines)
    source = SourceText("snippet.yaml", f"{text}equations: |\n{block}outputs: {{y: {output}}}\n")
    return lower_spec(read_text(source))


def _used(equations: str) -> str:
    words = set(equations.replace("'", " ").replace("(", " ").replace(")", " ").split())
    words |= {word.strip(",-") for word in words}
    words -= {line.split("=")[0].strip() for line in equations.splitlines()}
    inputs = {"x": "x: [H]", "m": "m: {shape: [H], role: mask, default: 1}"}
    params = {name: f"{name}: [H, H]" for name in "WUV"} | {name: f"{name}: [H]" for name in "bc"}
    given = [text for name, text in inputs.items() if name in words]
    made = {line.split("=")[0].strip() for line in equations.splitlines()}
    trained = [text for name, text in params.items() if name in words - made]
    return f"spec: 1\nname: snippet\ninputs: {{{', '.join(given)}}}\nstates: {{h: [H]}}\n" + (
        f"params: {{{', '.join(trained)}}}\n" if trained else ""
    )


def lines(function: Function, only: Iterable[str] = ()) -> list[str]:
    """`z = sigmoid t1`, a line each; of the names in `only`, if there are any."""
    wanted = set(only)
    return [_line(let) for let in function.lets if not wanted or let.name in wanted]


def _line(let: Let) -> str:
    words = [*let.args]
    words += [f"{let.value:g}"] if let.value is not None else []
    words += [f"from {let.offset}"] if let.offset is not None else []
    words += [f"size {let.size}"] if let.size is not None else []
    return f"{let.name} = {let.op} {', '.join(words)}"


def results(function: Function) -> list[str]:
    """`total W = d_W`, a result each."""
    return [f"{result.role} {result.key} = {result.value}" for result in function.results]
