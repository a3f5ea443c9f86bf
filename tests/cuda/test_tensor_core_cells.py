"""Cells whose products over all rows are formed on tensor cores, emulated."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from calls import Call, Tensors
from emulated_calls import drawn_call
from emulated_cells import BLOCK, GRID, STEPS, Emulated, emulated
from emulator.build import Order
from raced_cells import calls_of
from yardstick import Yardstick

from grugen.driver import Compiled, bundle, compile_spec

ALL = bool(os.environ.get("GRUGEN_ALL"))
NAMES = ("gru", "gru_d", "lstm", "layernorm_gru")
KINDS = ("tf32", "3xtf32")
FORMED = [(name, KINDS[n % 2]) for n, name in enumerate(NAMES)]
if ALL:
    FORMED = list(product(NAMES, KINDS))
SIZES = (5, 17, 33)
ROWS = (
    (BLOCK, "gates", "whole", False, True),
    (GRID, "states", "ragged", True, False),
    (STEPS, "states", "empty", False, False),
)

pytestmark = pytest.mark.compiles


def library_of(cell: Compiled, products: str) -> Emulated:
    return emulated(cell, "float32", sources=bundle(cell, "cuda", "float32", products))


@pytest.mark.parametrize(("name", "products"), FORMED)
def test_emulated_is_interpreted(name: str, products: str) -> None:
    cell = compile_spec(name)
    library = library_of(cell, products)
    for number, (regime, tape, lengths, reverse, states) in enumerate(ROWS):
        call = drawn_call(
            cell,
            np.random.default_rng(number),
            batch=9,
            lengths=lengths,
            reverse=reverse,
            states=states,
            sizes=SIZES,
        )
        library.device(4, Order.RANDOM, number)
        found = library.run(call, regime=regime, tape=tape)
        Yardstick(cell, call).check(found, "float32", f"{products} {regime}", products)


def large_call(cell: Compiled) -> Call:
    call = drawn_call(
        cell,
        np.random.default_rng(7),
        batch=9,
        lengths="whole",
        reverse=False,
        states=True,
        sizes=(33, 40),
    )
    assert call.lengths is None
    return call


def errors(cell: Compiled, call: Call, found: Tensors) -> dict[str, float]:
    return {d.tensor: d.error for d in Yardstick(cell, call).differences(found, "float32")}


def test_tf32_is_not_ieee() -> None:
    """Weight gradients and what follows from hoisted products are rounded."""
    cell = compile_spec("gru")
    call = large_call(cell)
    ieee, tf32, three = (
        errors(cell, call, library_of(cell, products).run(call))
        for products in ("ieee", "tf32", "3xtf32")
    )
    for name in ("output y", "d param W_z", "d param U_n", "d input x"):
        assert tf32[name] > 1e-5, name
        assert ieee[name] < 2e-6, name
        assert three[name] < 2e-6, name


@pytest.mark.parametrize("products", ["tf32", "3xtf32"])
def test_no_races(products: str) -> None:
    cell = compile_spec("gru_d")
    library = emulated(cell, "float32", "race", sources=bundle(cell, "cuda", "float32", products))
    library.device(4, Order.RANDOM, seed=3)
    for call in calls_of(cell):
        for tape in (True, "states"):
            message = library.message_of(replace(call), regime=BLOCK, tape=tape)
            assert not message, f"{tape}: {message}\n{call}"


def test_same_bits_in_any_order() -> None:
    cell = compile_spec("gru")
    library = library_of(cell, "3xtf32")
    call = large_call(cell)
    found = []
    for order in Order:
        library.device(4, order, 5)
        found.append(library.run(call))
    for other in found[1:]:
        assert all(np.array_equal(a, other[key], equal_nan=True) for key, a in found[0].items())
