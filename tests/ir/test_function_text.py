"""The printed form of a step."""

from __future__ import annotations

from grugen.ir.from_spec import lower_spec
from grugen.ir.text import function_text
from grugen.source import SourceText
from grugen.spec import read_text

SPEC = """\
spec: 1
name: small
inputs: {x: [2*D]}
static: {s: []}
constants: {c: [D]}
hyper: {beta: 0.1}
states: {h: [D]}
params: {W: [D, D + 1]}
equations: |
  p, q = split(x, 2)
  t    = W @ concat(p, s)
  h'   = where(q > c, mean(t) * h, beta)
outputs: {y: h'}
"""


def text(element: str = "f32") -> str:
    return function_text(lower_spec(read_text(SourceText("small.yaml", SPEC))), element)


def test_sources_lines_results() -> None:
    found = text()
    assert found.startswith("step small {\n")
    assert found.endswith("\n  next state h = h_next\n  output y = h_next\n}\n")


def test_sources_show_role_and_type() -> None:
    assert "  static s: f32[]\n  constant c: f32[D]\n  hyper beta: f32[]\n" in text()
    assert "  param W: f32[D, D + 1]\n" in text()


def test_lines_show_type_operation_and_place() -> None:
    lines = [" ".join(line.split()) for line in text().splitlines()]
    assert "p: f32[D] = slice x, from 0, size D @10:10" in lines
    assert "q: f32[D] = slice x, from D, size D @10:10" in lines
    assert any(line.startswith("h_next: f32[D] = select ") for line in lines)
    assert any(": bool[D] = gt q, c @12:16" in line for line in lines)


def test_columns_stand_below_each_other() -> None:
    body = text().split("\n\n")[1].splitlines()
    assert len({line.index(" = ") for line in body}) == 1
    assert len({line.index("@") for line in body if "@" in line}) == 1


def test_the_element_type_is_only_a_word() -> None:
    assert text("f64") == text().replace("f32", "f64")
