"""Nests: lines of one size share loops, whole vectors wait, products wait for who uses them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))
sys.path.append(str(Path(__file__).parents[1] / "passes"))

from snippets import step
from trials import compiled, invented

from grugen.errors import InternalError
from grugen.ir.nodes import Function, Let, Op
from grugen.ir.shapes import ELEMENTWISE, PRODUCTS
from grugen.target.nests import INLINE, Join, Nest, Pointwise, find_views, split_nests

CELLS = 60
SEED = 37

SIZES = """\
spec: 1
name: snippet
inputs: {x: [D], u: []}
states: {h: [H]}
params: {W: [H, D], U: [H, H], V: [D, H]}
"""


def nests(function: Function) -> tuple[Nest, ...]:
    known = {source.name for source in function.sources}
    handed_out = {result.value for result in function.results}
    return split_nests(function.lets, known, find_views(function), handed_out)


def names(equations: str, head: str | None = None) -> list[list[str]]:
    function = step(equations, head) if head else step(equations)
    return [
        [let.name for let in nest.lets] if isinstance(nest, Pointwise) else [nest.let.name]
        for nest in nests(function)
    ]


def test_products_and_what_follows_share_a_loop() -> None:
    assert names("z = sigmoid(W @ x + b)\nh' = z * tanh(U @ h)") == [
        ["W_x", "t1", "z", "U_h", "t2", "h_next"]
    ]


def test_whole_vectors_are_finished_first() -> None:
    found = names("r = sigmoid(W @ h)\nh' = tanh(U @ (r * h)) + x")
    assert found == [["W_h", "r", "t1"], ["U_product", "t2", "h_next"]]


def test_products_wait_for_the_loop_that_uses_them() -> None:
    """W @ x could run at once; its result would have to be stored until U @ (r * h) is there."""
    found = names("r = sigmoid(V @ h)\nn = U @ (r * h) + W @ x\nh' = tanh(n)")
    assert found == [["V_h", "r", "t1"], ["U_product", "W_x", "n", "h_next"]]


def test_products_that_nothing_else_waits_for_run() -> None:
    found = names("h' = tanh(W @ (U @ h)) + x")
    assert [len(group) for group in found] == [1, 3]
    assert found[0] == ["U_h"]


def test_sizes_take_turns_in_order_of_appearance() -> None:
    function = step("a = tanh(V @ h)\nn = x * u\nh' = tanh(W @ (a * n) + U @ h) * sum(a)", SIZES)
    sizes = [str(nest.size) for nest in nests(function) if isinstance(nest, Pointwise)]
    assert sizes == ["D", "H", "None", "H"]


def test_lines_that_need_each_other_are_an_error() -> None:
    function = step("z = tanh(W @ x)\nh' = z * h")
    with pytest.raises(InternalError, match="lines need each other: h_next"):
        split_nests(function.lets[-1:], {"h"}, find_views(function))


def test_every_line_runs_once_and_after_what_it_reads() -> None:
    for invention in invented(CELLS, SEED):
        steps = compiled(invention.named("cell")).steps
        for function in (steps.forward, steps.backward):
            check(function, [let for let in function.lets if let.op is not Op.OUTER])


def check(function: Function, lets: Sequence[Let]) -> None:
    views = find_views(function)
    known = {source.name for source in function.sources}
    handed_out = {result.value for result in function.results}
    done = {*known, *(let.name for let in lets if let.op in INLINE)}
    ran: list[str] = []
    for nest in split_nests(lets, known, views, handed_out):
        group = (nest.let,) if isinstance(nest, Join) else nest.lets
        before = set(done)
        for let in group:
            for arg in let.args:
                whole = let.op not in ELEMENTWISE and not (
                    let.op in PRODUCTS and arg == let.args[0]
                )
                seen = before if whole else done
                assert views[arg].base in seen or arg in seen, (let, arg)
            done.add(let.name)
            ran.append(let.name)
        if isinstance(nest, Pointwise):
            shapes = {let.type.shape for let in nest.lets}
            assert shapes == {(nest.size,) if nest.size is not None else ()}
    wanted = [
        let.name
        for let in lets
        if let.op is not Op.SLICE and (let.op not in INLINE or let.name in handed_out)
    ]
    assert sorted(ran) == sorted(wanted)
