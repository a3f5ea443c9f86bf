"""How products over all rows are formed on target `cuda`: the words that `products` takes.

ieee             multiplied and added as the element type is, the same everywhere
tf32             float32 on tensor cores: factors are rounded to 11 bits, sums are float32
3xtf32           float32 on tensor cores: factors in two parts of 11 bits, so that little is lost

With arrays of bfloat16 elements are multiplied as they are. Factors that were computed in float32
are rounded to 11 bits as in tf32, or to bfloat16 where they are gradients, or what tensor cores
multiply inside a loop. In tf32 infinities, and what is above 4e34, become NaN on the way.
"""

from __future__ import annotations

from grugen.errors import UsageError
from grugen.spec.names import listed

IEEE = "ieee"
TF32 = "tf32"
ARITHMETICS = (IEEE, TF32, "3xtf32")


def checked_products(products: object) -> str:
    """`products` if it is one of ARITHMETICS. Raises UsageError."""
    if isinstance(products, str) and products in ARITHMETICS:
        return products
    raise UsageError(f"products is {products!r}; {listed(ARITHMETICS, 'or')} is needed")


def check_products_of(products: str, target: str, element: str) -> None:
    """Raises UsageError where a target or element type has no such products."""
    if products != IEEE and (target, element) != ("cuda", "float32"):
        raise UsageError(
            f"products is {products!r}, which only float32 of target 'cuda' has; this is {element} "
            f"of target '{target}'\nhelp: leave products out, or name that target and dtype"
        )
