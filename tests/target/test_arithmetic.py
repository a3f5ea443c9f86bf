"""What `products` may be, and what a module says of it."""

from __future__ import annotations

import pytest

import grugen
from grugen.errors import UsageError
from grugen.target.arithmetic import ARITHMETICS, check_products_of, checked_products


@pytest.mark.parametrize("products", ARITHMETICS)
def test_a_module_tells(products: str) -> None:
    assert grugen.load("gru", target="cuda", products=products).products == products


def test_ieee_is_usual() -> None:
    assert grugen.load("gru").products == "ieee"
    for target in ("openmp", "sequential", "numpy", "cuda"):
        for element in ("float32", "float64"):
            check_products_of("ieee", target, element)


@pytest.mark.parametrize("products", ["tf16", "TF32", "", None, 3])
def test_words_that_are_none(products: object) -> None:
    with pytest.raises(UsageError) as caught:
        checked_products(products)
    message = f"products is {products!r}; 'ieee', 'tf32' or '3xtf32' is needed"
    assert str(caught.value) == message
    with pytest.raises(UsageError) as caught:
        grugen.load("gru", target="cuda", products=products)  # type: ignore[arg-type]
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("target", "dtype", "this"),
    [
        (None, None, "float32 of target 'openmp'"),
        ("sequential", "float32", "float32 of target 'sequential'"),
        ("cuda", "float64", "float64 of target 'cuda'"),
        ("numpy", None, "float64 of target 'numpy'"),
    ],
)
@pytest.mark.parametrize("products", ["tf32", "3xtf32"])
def test_where_there_are_none(products: str, target: str, dtype: str, this: str) -> None:
    message = (
        f"products is '{products}', which only float32 of target 'cuda' has; this is {this}\n"
        "help: leave products out, or name that target and dtype"
    )
    with pytest.raises(UsageError) as caught:
        grugen.load("gru", target, dtype, products=products)
    assert str(caught.value) == message
    module = grugen.load("gru", target="cuda", products=products)
    with pytest.raises(UsageError) as caught:
        module.Cell(D=1, H=1, target=target or "openmp", dtype=dtype)
    assert str(caught.value) == message
