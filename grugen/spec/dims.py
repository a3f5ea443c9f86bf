"""Named dimensions: the linear forms `H`, `3*H`, `D + H`, `2*D + H + 1` that shapes are made of.

`D` and `H` are different even when both are 64; sizes arrive only at run time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dim:
    """A sum of named dimensions with positive integer factors, plus a whole number.

    `terms` is sorted by name, so that equal forms compare equal.
    """

    terms: tuple[tuple[str, int], ...]
    constant: int = 0

    @staticmethod
    def named(name: str) -> Dim:
        """The dimension `name` itself."""
        return Dim(((name, 1),))

    @staticmethod
    def fixed(size: int) -> Dim:
        """A dimension of `size`, known when the spec is written."""
        return Dim((), size)

    def __add__(self, other: Dim) -> Dim:
        factors = dict(self.terms)
        for name, factor in other.terms:
            factors[name] = factors.get(name, 0) + factor
        return Dim(tuple(sorted(factors.items())), self.constant + other.constant)

    def times(self, factor: int) -> Dim:
        """This dimension `factor` times over."""
        if factor == 0:
            return Dim(())
        return Dim(tuple((name, factor * n) for name, n in self.terms), factor * self.constant)

    def divided(self, parts: int) -> Dim | None:
        """One of `parts` equal parts, or None where the form does not divide for every size."""
        if self.constant % parts or any(n % parts for _, n in self.terms):
            return None
        return Dim(tuple((name, n // parts) for name, n in self.terms), self.constant // parts)

    def size(self, sizes: Mapping[str, int]) -> int:
        """The number of elements for these sizes of the named dimensions."""
        return self.constant + sum(factor * sizes[name] for name, factor in self.terms)

    @property
    def names(self) -> tuple[str, ...]:
        """The named dimensions this one is made of."""
        return tuple(name for name, _ in self.terms)

    def __str__(self) -> str:
        terms = [name if factor == 1 else f"{factor}*{name}" for name, factor in self.terms]
        if self.constant or not terms:
            terms.append(str(self.constant))
        return " + ".join(terms)


Shape = tuple[Dim, ...]
"""() is one number, (n,) a vector, (m, n) a matrix; batch and time are never written."""


def shape(*dims: str) -> Shape:
    """A shape from dimensions as `str(Dim)` writes them: `shape("3*H", "D + H")`."""
    return tuple(_read_dim(text) for text in dims)


def _read_dim(text: str) -> Dim:
    total = Dim(())
    for term in text.split(" + "):
        factor, _, name = term.rpartition("*")
        named = Dim.fixed(int(term)) if term.isdigit() else Dim.named(name).times(int(factor or 1))
        total = total + named
    return total


def shape_text(shape: Shape) -> str:
    """`[3*H, D]`, as the spec writes it; `[]` for one number."""
    return "[" + ", ".join(str(dim) for dim in shape) + "]"
