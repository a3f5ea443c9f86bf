"""Vectors are spelled like single elements, in other words: one table, numbers spread out."""

from __future__ import annotations

import pytest

from grugen.ir.nodes import Let, Op
from grugen.ir.shapes import ARITY, COMPARISONS
from grugen.ir.types import Level, Type
from grugen.render.c_expr import C_SPELLINGS, Apply, Atom, Infix, c_text, literal
from grugen.render.vector_expr import (
    VECTOR_SPELLINGS,
    Term,
    as_condition,
    as_value,
    spell_vector,
)
from grugen.spec.dims import shape
from grugen.target.nests import INLINE

VECTOR, NUMBER = Term(Atom("v"), True), Term(Atom("n"), False)


def spelled(op: Op, *args: Term, value: float | None = None) -> Term:
    let = Let("t", op, (), Type(shape("H"), Level.STEP), None, value=value)
    return spell_vector(let, args, "float32")


def test_same_entries_as_for_single_elements() -> None:
    """Literals and extents are numbers wherever they stand."""
    assert set(VECTOR_SPELLINGS) == set(C_SPELLINGS) - INLINE


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((VECTOR, VECTOR), "v + v"),
        ((VECTOR, NUMBER), "v + n"),
        ((NUMBER, VECTOR), "n + v"),
        ((NUMBER, NUMBER), "grugen_spread_v(n) + n"),
    ],
)
def test_one_vector_makes_arithmetic_one_of_vectors(args: tuple[Term, ...], text: str) -> None:
    found = spelled(Op.ADD, *args)
    assert found.vector
    assert c_text(found.expr) == text


@pytest.mark.parametrize("op", sorted(COMPARISONS))
def test_comparisons_are_of_vectors(op: Op) -> None:
    """A mask comes of two vectors; of a vector and a number C would not make one everywhere."""
    found = spelled(op, NUMBER, VECTOR).expr
    assert isinstance(found, Infix)
    assert (found.left, found.right) == (Apply("grugen_spread_v", (Atom("n"),)), Atom("v"))


@pytest.mark.parametrize("op", sorted(set(VECTOR_SPELLINGS) - {Op.POWER}))
def test_whatever_is_spelled_is_a_vector(op: Op) -> None:
    numbers = [NUMBER] * ARITY[op]
    found = spelled(op, *numbers)
    assert found.vector
    assert "grugen_spread_v(n)" in c_text(found.expr)


@pytest.mark.parametrize("exponent", [2.0, -1.0, 0.5, -0.5, 2.5, 3.0, 0.0])
def test_powers_have_the_words_of_vectors(exponent: float) -> None:
    text = c_text(spelled(Op.POWER, VECTOR, value=exponent).expr)
    assert "f32" not in text
    assert "_v" in text or "grugen" not in text


def test_truth_is_stored_as_a_number_and_read_as_a_mask() -> None:
    zero = c_text(literal(0.0, "float32"))
    assert c_text(as_condition(Atom("v"), "float32")) == f"v != grugen_spread_v({zero})"
    text = c_text(as_value(Atom("mask"), "float32"))
    assert text == f"grugen_select_v(mask, grugen_spread_v(1.0f), grugen_spread_v({zero}))"


def test_negation_of_a_number_is_one_of_a_vector() -> None:
    assert c_text(spelled(Op.NEG, NUMBER).expr) == "-grugen_spread_v(n)"
