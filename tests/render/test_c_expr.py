"""C expressions say what the tree says: printed, parsed by another program, compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycparser import c_ast, c_parser

from grugen.errors import InternalError
from grugen.ir.nodes import Let, Op
from grugen.ir.types import Level, Type
from grugen.render.c_expr import (
    Apply,
    Atom,
    CExpr,
    Conditional,
    Infix,
    Prefix,
    c_text,
    depth,
    dim_expr,
    literal,
    spell,
)
from grugen.spec.dims import shape

PARSER = c_parser.CParser()

names = st.sampled_from(["a", "b", "x[j]", "1.0f"]).map(Atom)


def wider(inner: st.SearchStrategy[CExpr]) -> st.SearchStrategy[CExpr]:
    operators = st.sampled_from(["+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!="])
    return st.one_of(
        st.builds(Prefix, st.just("-"), inner),
        st.builds(Infix, operators, inner, inner),
        st.builds(Conditional, inner, inner, inner),
        st.builds(Apply, st.just("f"), st.tuples(inner, inner)),
    )


trees = st.recursive(names, wider, max_leaves=12)


def shown(node: c_ast.Node) -> str:
    """A parsed expression with every operation in parentheses."""
    match node:
        case c_ast.Constant():
            return str(node.value)
        case c_ast.ID():
            return str(node.name)
        case c_ast.ArrayRef():
            return f"{shown(node.name)}[{shown(node.subscript)}]"
        case c_ast.UnaryOp():
            return f"({node.op}{shown(node.expr)})"
        case c_ast.BinaryOp():
            return f"({shown(node.left)} {node.op} {shown(node.right)})"
        case c_ast.TernaryOp():
            return f"({shown(node.cond)} ? {shown(node.iftrue)} : {shown(node.iffalse)})"
        case c_ast.FuncCall():
            return f"f({', '.join(shown(arg) for arg in node.args.exprs)})"
    raise AssertionError(node)


def meant(tree: CExpr) -> str:
    """The tree with every operation in parentheses."""
    match tree:
        case Atom():
            return tree.text
        case Prefix():
            return f"({tree.operator}{meant(tree.operand)})"
        case Infix():
            return f"({meant(tree.left)} {tree.operator} {meant(tree.right)})"
        case Conditional():
            parts = meant(tree.condition), meant(tree.taken), meant(tree.otherwise)
            return "({} ? {} : {})".format(*parts)
        case Apply():
            return f"f({', '.join(meant(arg) for arg in tree.args)})"


@given(trees)
def test_printed_and_parsed_is_the_same_tree(tree: CExpr) -> None:
    unit = PARSER.parse(f"int main(void) {{ y = {c_text(tree)}; }}")
    statement = unit.ext[0].body.block_items[0]
    assert shown(statement.rvalue) == meant(tree)


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (Prefix("-", Prefix("-", Atom("a"))), "-(-a)"),
        (Infix("-", Atom("a"), Infix("-", Atom("b"), Atom("c"))), "a - (b - c)"),
        (Infix("*", Infix("+", Atom("a"), Atom("b")), Atom("c")), "(a + b) * c"),
        (Prefix("-", literal(-1.0, "float32")), "-(-1.0f)"),
    ],
)
def test_parentheses(tree: CExpr, text: str) -> None:
    assert c_text(tree) == text


@given(st.floats(allow_nan=False, width=32))
def test_float32_literals_are_read_back(value: float) -> None:
    text = c_text(literal(value, "float32")).replace("INFINITY", "inf").removesuffix("f")
    assert np.float32(text.replace("in", "inf") if text.endswith("in") else text) == value


@given(st.floats(allow_nan=False))
def test_float64_literals_are_read_back(value: float) -> None:
    assert float(c_text(literal(value, "float64")).replace("INFINITY", "inf")) == value


def test_what_no_element_has_is_refused() -> None:
    let = Let("t", Op.MATVEC, ("W", "x"), Type(shape("H"), Level.STEP))
    with pytest.raises(InternalError, match="'matvec' reaches the expression printer"):
        spell(let, [Atom("W"), Atom("x")], "float32")
    with pytest.raises(InternalError, match="a NaN literal"):
        literal(float("nan"), "float64")


def test_dimensions_and_depth() -> None:
    (dim,) = shape("3*H + D + 1")
    assert c_text(dim_expr(dim, {"H": "H", "D": "D_2"})) in ("D_2 + 3 * H + 1", "3 * H + D_2 + 1")
    assert depth(Infix("+", Atom("a"), Prefix("-", Atom("b")))) == 2
