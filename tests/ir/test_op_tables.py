"""One table per meaning, an entry for each operation in every one of them."""

from __future__ import annotations

from grugen.ir import interpret
from grugen.ir.nodes import Op
from grugen.ir.shapes import (
    ARITY,
    COMPARISONS,
    ELEMENTWISE,
    PRODUCTS,
    REDUCTIONS,
    SHAPE_RULES,
    STRUCTURAL,
)
from grugen.passes.vjp_rules import BRANCHING, VJP_RULES
from grugen.render.c_expr import C_SPELLINGS

EVERY = set(Op)


def test_shapes() -> None:
    assert set(SHAPE_RULES) == EVERY
    assert set(ARITY) == EVERY
    assert set(ELEMENTWISE) | set(STRUCTURAL) == EVERY
    assert not set(ELEMENTWISE) & set(STRUCTURAL)
    assert COMPARISONS | BRANCHING <= ELEMENTWISE
    assert PRODUCTS | REDUCTIONS <= STRUCTURAL


def test_numpy() -> None:
    assert set(interpret.ELEMENTWISE) | set(interpret.STRUCTURAL) == EVERY
    assert not set(interpret.ELEMENTWISE) & set(interpret.STRUCTURAL)


def test_derivatives() -> None:
    assert set(VJP_RULES) == EVERY


def test_c() -> None:
    """What is not elementwise is a loop, which the nests write."""
    assert set(C_SPELLINGS) == set(ELEMENTWISE)
