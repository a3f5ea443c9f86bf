"""The lexer and the parser: trees, places, limits, and the round trip through the printer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import without_places

from grugen.errors import Diagnostic
from grugen.source import SourceText, Span
from grugen.spec.equations import (
    MOST_NESTED,
    MOST_TOKENS,
    parse_equations,
    parse_expression,
)
from grugen.spec.expressions import COMPARISONS, expression_text, number_text, walk
from grugen.spec.model import Binary, Call, Equation, Expr, Name, Negation, Number
from grugen.spec.tree import Line

HERE = Span(SourceText("", ""), 1, 1)


def lines_of(text: str) -> tuple[Line, ...]:
    return tuple(Line(line, number, 1) for number, line in enumerate(text.split("\n"), 1))


def parse(text: str) -> Expr:
    found: list[Diagnostic] = []
    expr = parse_expression(SourceText("e", text), lines_of(text), found)
    assert not found, str(found[0])
    assert expr is not None
    return expr


def equations(text: str) -> tuple[tuple[Equation, ...], list[Diagnostic]]:
    found: list[Diagnostic] = []
    return parse_equations(SourceText("e", text), lines_of(text), found), found


def named(text: str) -> Name:
    return Name(text.rstrip("'"), text.endswith("'"), HERE)


def binary(operator: str, left: Expr, right: Expr) -> Binary:
    return Binary(operator, left, right, HERE, HERE)


a, b, c = named("a"), named("b"), named("c")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a - b - c", binary("-", binary("-", a, b), c)),
        ("a - (b - c)", binary("-", a, binary("-", b, c))),
        ("a + b * c", binary("+", a, binary("*", b, c))),
        ("a / b * c", binary("*", binary("/", a, b), c)),
        ("-a * b", binary("*", Negation(a, HERE), b)),
        ("-a**b", Negation(binary("**", a, b), HERE)),
        ("a**-b", binary("**", a, Negation(b, HERE))),
        ("a**b**c", binary("**", a, binary("**", b, c))),
        ("a @ -b", binary("@", a, Negation(b, HERE))),
        ("a @ b**c", binary("@", a, binary("**", b, c))),
        ("a @ b + c", binary("+", binary("@", a, b), c)),
        ("a < b + c", binary("<", a, binary("+", b, c))),
        ("a' != b", binary("!=", named("a'"), b)),
        ("--a", Negation(Negation(a, HERE), HERE)),
        ("-inf", Negation(Number(float("inf"), HERE), HERE)),
        (".5", Number(0.5, HERE)),
        ("1e-5", Number(1e-5, HERE)),
        ("((a))", a),
        ("f()", Call("f", (), (), HERE, HERE)),
        ("f(a, eps=b)", Call("f", (a,), (("eps", b),), HERE, HERE)),
    ],
)
def test_trees(text: str, tree: Expr) -> None:
    assert without_places(parse(text)) == without_places(tree)


def test_places() -> None:
    (equation,), found = equations("  h' = tanh(W @ x  # comment\n       + b)\n")
    assert not found
    assert equation.text == "h' = tanh(W @ x + b)"
    call = equation.value
    assert isinstance(call, Call)
    assert (call.function_span.line, call.function_span.column, call.function_span.length) == (
        1,
        8,
        4,
    )
    last = list(walk(call))[-1]
    assert (last.span.line, last.span.column) == (2, 10)
    assert equation.span.column == 3


def test_a_broken_equation_leaves_the_others() -> None:
    read, found = equations("a = tanh(x\nb = σ(a)\n\nc = d *\n# nothing\ne = a)\nf' = g + 1")
    assert [str(equation.targets[0]) for equation in read] == ["f'"]
    assert [diagnostic.span.line for diagnostic in found] == [2, 1, 4, 6]


def test_line_ends_inside_parentheses_are_spaces() -> None:
    (equation,), found = equations("a = layernorm(b,\n\n  eps=1e-5\n)")
    assert not found
    assert equation.text == "a = layernorm(b, eps=1e-5 )"


@pytest.mark.parametrize("operator", ["+", "-", "*", "/"])
def test_long_chains_are_refused_clearly(operator: str) -> None:
    most = MOST_TOKENS // 2 - 2
    text = f" {operator} ".join(["a"] * most)
    assert expression_text(parse(text)) == text
    for joint in (f" {operator} ", f"\n{operator} "):
        read, found = equations(f"x = ({joint.join(['a'] * 3000)})")
        assert not read
        assert "at most" in found[0].message


@pytest.mark.parametrize("deeper", ["(", "-", "f(", "a**", "-(", "a + (b * (", "f(a, eps="])
def test_nesting_is_refused_clearly(deeper: str) -> None:
    for depth in (MOST_NESTED + 1, 150, 100_000):
        text = deeper * depth + "a" + ")" * (deeper.count("(") * depth)
        read, found = equations("x = " + text)
        assert not read
        assert "levels of nesting" in found[0].message or "at most" in found[0].message


def test_the_deepest_allowed_tree() -> None:
    text = "(" * MOST_NESTED + "a" + ")" * MOST_NESTED
    assert parse(text).span.column == MOST_NESTED + 1


def names() -> st.SearchStrategy[Expr]:
    words = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,3}", fullmatch=True)
    usable = words.filter(lambda word: word not in {"inf", "if", "in", "is", "or", "and", "not"})
    return st.builds(
        Name, usable.filter(lambda w: w not in {"for", "else"}), st.booleans(), st.just(HERE)
    )


def numbers() -> st.SearchStrategy[Expr]:
    values = st.floats(min_value=0, allow_nan=False) | st.integers(0, 10).map(float)
    return st.builds(Number, values, st.just(HERE))


def wider(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    operators = st.sampled_from(["+", "-", "*", "/", "@", "**", *COMPARISONS])
    options = st.lists(st.tuples(st.just("eps"), inner), max_size=1).map(tuple)
    arguments = st.lists(inner, max_size=3).map(tuple)
    return (
        st.builds(Negation, inner, st.just(HERE))
        | st.builds(binary, operators, inner, inner)
        | st.builds(Call, st.just("f"), arguments, options, st.just(HERE), st.just(HERE))
    )


@given(st.recursive(names() | numbers(), wider, max_leaves=20))
def test_print_and_parse(expr: Expr) -> None:
    text = expression_text(expr)
    assert without_places(parse(text)) == without_places(expr)


@given(st.floats(allow_nan=False))
def test_number_text_reads_back(value: float) -> None:
    assert float(number_text(value)) == value
