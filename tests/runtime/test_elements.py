"""bfloat16 as NumPy has it, with `ml_dtypes` and without; what targets have it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import leak
import ml_dtypes
import numpy as np
import pytest

import grugen
from grugen.errors import UsageError
from grugen.runtime import CellModule, DeviceArray, elements
from grugen.runtime.arrays import ArrayRule
from grugen.runtime.dlpack import export, read
from grugen.runtime.elements import (
    BFLOAT16,
    element_type,
    is_bfloat16,
    is_opaque,
    name_of,
    python_name,
    rounded,
    type_in,
)
from grugen.runtime.module import checked_dtype
from grugen.spec.dims import Dim
from grugen.target.abi import Group

REAL = np.dtype(ml_dtypes.bfloat16)
TYPES = ("float32", "float64", BFLOAT16)


@pytest.fixture
def _without_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    element_type.cache_clear()
    yield
    element_type.cache_clear()


def said(call: Callable[..., object], *args: object, **kwargs: object) -> str:
    with pytest.raises(UsageError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def test_names() -> None:
    assert [name_of(element_type(name)) for name in TYPES] == list(TYPES)
    assert element_type(BFLOAT16) == REAL
    assert [python_name(element_type(name)) for name in TYPES] == [
        *("np.float32", "np.float64", "ml_dtypes.bfloat16"),
    ]
    assert not any(is_opaque(element_type(name)) for name in TYPES)


@pytest.mark.usefixtures("_without_package")
def test_names_without_the_package() -> None:
    found = element_type(BFLOAT16)
    assert (name_of(found), found.itemsize) == (BFLOAT16, 2)
    assert is_bfloat16(found)
    assert is_opaque(found)
    assert found != np.uint16
    assert python_name(found) == "ml_dtypes.bfloat16"


def test_states_are_float32() -> None:
    for group in (Group.INITIAL, Group.FINAL, Group.HYPER):
        assert type_in(group, REAL) == np.float32
        assert type_in(group, np.dtype(np.float64)) == np.float64
    assert type_in(Group.OUTPUT, REAL) == REAL


EDGES = [
    *(0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, -np.nan),
    # halfway between two numbers, the even one below and above; a little more and less
    *(1 + 2.0**-8, 1 + 3 * 2.0**-8, 1 + 2.0**-8 + 2.0**-20, 1 + 2.0**-8 - 2.0**-20),
    # the largest float is beyond the largest bfloat16; the smallest ones
    *(3.4028234e38, 3.39e38, 1e-38, 1e-40, 1.4e-45),
]


def test_rounding_is_to_the_nearest_even() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 100_000, np.uint32).view(np.float32)
    for values in (np.array(EDGES, np.float32), bits):
        with np.errstate(invalid="ignore"):
            wanted = values.astype(REAL)
        found = rounded(values, REAL)
        assert found.dtype == REAL
        is_nan = np.isnan(values)
        np.testing.assert_array_equal(np.isnan(found.astype(np.float32)), is_nan)
        np.testing.assert_array_equal(
            found[~is_nan].view(np.uint16), wanted[~is_nan].view(np.uint16)
        )


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
def test_rounding_keeps_the_shape(shape: tuple[int, ...]) -> None:
    for name in TYPES:
        found = rounded(np.ones(shape), element_type(name))
        assert (found.shape, found.dtype) == (shape, element_type(name))
        np.testing.assert_array_equal(found.astype(np.float64), 1)


@pytest.mark.usefixtures("_without_package")
def test_rounding_needs_no_package() -> None:
    values = np.array(EDGES[:4], np.float32)
    found = rounded(values, element_type(BFLOAT16))
    assert found.view(np.uint16).tolist() == [0, 0x8000, 0x3F80, 0xBF80]


# --- what is asked for ---


@pytest.mark.parametrize("dtype", [BFLOAT16, ml_dtypes.bfloat16, REAL])
def test_ways_to_say_it(dtype: Any) -> None:
    assert checked_dtype(dtype) == REAL


@pytest.mark.usefixtures("_without_package")
def test_ways_to_say_it_without_the_package() -> None:
    assert is_bfloat16(checked_dtype(BFLOAT16))
    for dtype in (np.void, np.uint16, "V2", element_type(BFLOAT16)):
        assert said(checked_dtype, dtype) == (
            f"dtype is {dtype!r}; 'float32', 'float64' or 'bfloat16' is needed"
        )


@pytest.mark.parametrize("target", ["numpy", "sequential", "openmp"])
def test_targets_without_it(target: str) -> None:
    message = (
        f"target '{target}' has no bfloat16; it offers 'float32' and 'float64'\n"
        "help: target='cuda' has it"
    )
    assert said(grugen.load, "gru", target, BFLOAT16) == message
    module = CellModule(leak.INTERFACE, lambda *_: pytest.fail("asked"), "cuda", BFLOAT16)
    assert said(module.Cell, D=3, c=np.ones(3, REAL), target=target) == message


def test_default_target_is_without_it() -> None:
    assert said(grugen.load, "gru", dtype=BFLOAT16).startswith("target 'openmp' has no bfloat16")


# --- what is handed in ---

RULE = ArrayRule("input 'x'", "x", ("T", "B"), (Dim.fixed(3),), (3,), REAL)


def test_other_types_are_refused() -> None:
    assert said(RULE.check, np.ones((2, 2, 3), np.float32)) == (
        "input 'x' has dtype float32; bfloat16 is needed\nhelp: pass x.astype(ml_dtypes.bfloat16)"
    )
    assert said(RULE.check, [1.0]) == (
        "input 'x' is of type list; a NumPy array of bfloat16 is needed"
    )


def test_bits_are_no_numbers() -> None:
    assert said(RULE.check, np.ones((2, 2, 3), np.uint16)) == (
        "input 'x' has dtype uint16; bfloat16 is needed\nhelp: pass x.view(ml_dtypes.bfloat16)"
    )


def test_bfloat16_for_another_type() -> None:
    rule = ArrayRule("input 'x'", "x", ("T", "B"), (Dim.fixed(3),), (3,), np.dtype(np.float32))
    assert said(rule.check, np.ones((2, 2, 3), REAL)) == (
        "input 'x' has dtype bfloat16; float32 is needed\nhelp: pass x.astype(np.float32)"
    )


def test_float32_is_rounded_where_numbers_are_given_once() -> None:
    rule = ArrayRule("param 'w'", "w", (), (Dim.fixed(3),), (3,), REAL)
    found = rule.check_rounding(np.array([1.0, 1 + 2.0**-8, 2.0], np.float32))
    assert isinstance(found, np.ndarray)
    assert (found.dtype, found.tolist()) == (REAL, [1.0, 1.0, 2.0])
    assert said(rule.check_rounding, np.ones(3)) == (
        "param 'w' has dtype float64; bfloat16 is needed\nhelp: pass w.astype(ml_dtypes.bfloat16)"
    )
    assert said(rule.check_rounding, np.ones(2, np.float32)) == (
        "param 'w' has shape (2,); (3,) = (3,) is needed"
    )


@pytest.mark.parametrize("kind", [np.bool_, np.uint8, np.float32])
def test_masks(kind: Any) -> None:
    rule = ArrayRule("input 'm'", "m", (), (Dim.fixed(3),), (3,), REAL, mask=True)
    values = np.array([1, 0, 1]).astype(kind)
    if kind == np.float32:
        assert said(rule.check, values).startswith(
            "input 'm' has dtype float32; bfloat16, bool or uint8 is needed\n"
        )
    else:
        found = rule.check(values)
        assert isinstance(found, np.ndarray)
        assert (found.dtype, found.tolist()) == (REAL, [1.0, 0.0, 1.0])


# --- what crosses to other libraries ---


def test_capsules() -> None:
    owner = np.zeros(6, REAL)
    tensor = read(export(owner.ctypes.data, (2, 3), REAL, 0, owner))
    assert (tensor.dtype, tensor.type_name, tensor.shape) == (REAL, BFLOAT16, (2, 3))


class Nowhere:
    """A device that is not asked for anything."""

    index, stream = 0, 0


def array_of(dtype: np.dtype[Any]) -> DeviceArray:
    return DeviceArray((2,), dtype, 256, None, Nowhere())  # type: ignore[arg-type]


def test_array_on_a_device() -> None:
    array = array_of(REAL)
    assert (repr(array), array.nbytes) == ("<device array (2,) bfloat16 cuda:0>", 4)
    assert not hasattr(array, "__cuda_array_interface__")
    with pytest.raises(AttributeError) as caught:
        _ = array.__cuda_array_interface__
    assert str(caught.value) == (
        "__cuda_array_interface__ cannot tell of bfloat16\n"
        "help: DLPack can: torch.from_dlpack(array), jax.dlpack.from_dlpack(array)"
    )


@pytest.mark.usefixtures("_without_package")
def test_array_that_numpy_cannot_have() -> None:
    array = array_of(element_type(BFLOAT16))
    assert repr(array) == "<device array (2,) bfloat16 cuda:0>"
    assert said(array.numpy) == (
        "an array of bfloat16 can be NumPy's only where the package ml_dtypes is installed\n"
        "help: pip install ml_dtypes, or take it as it is: torch.from_dlpack(array)"
    )


def test_package_is_not_looked_for_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "element_type", lambda name: pytest.fail("looked for"))
    assert name_of(np.dtype(np.float32)) == "float32"
