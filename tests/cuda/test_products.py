"""Products over all rows on their own: any sizes, tiles large and small, every arithmetic."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from emulated import left_out
from emulator.build import Order, compile_library, last_message, set_order

from grugen.assets import templates_folder

KERNELS = Path(__file__).with_name("kernels") / "products.cu"
SMALL, MIDDLE, LARGE = 1 << 20, -1, 1
"""What a choice between tiles believes in: so many processors, or see products.cu."""
SIZES = {"ieee": (SMALL, MIDDLE, LARGE)}
"""Of the tiles of an arithmetic; those on tensor cores have none between small and large ones."""
MOST_SUMS = {"tf32": 16, "3xtf32": 8}
"""Of a row and unit, that tensor cores form together."""

pytestmark = pytest.mark.compiles

Array = np.ndarray[Any, np.dtype[Any]]
Pointer = ctypes.c_void_p


class ProductCall(ctypes.Structure):
    """See products.cu."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("T", "B")),
        ("lengths", Pointer),
        *((name, ctypes.c_int) for name in ("units", "x_depth", "v_depth")),
        *((name, Pointer) for name in ("x", "v", "w", "u", "packed_w", "packed_u", "sums")),
    )


class Kept(ctypes.Structure):
    """See grugen_total.cuh."""

    _fields_ = (
        *(("values", Pointer), ("stride", ctypes.c_int64), ("units", ctypes.c_int64)),
        ("is_stored", ctypes.c_bool),
    )


class Outer(ctypes.Structure):
    """See grugen_outer.cuh."""

    _fields_ = (("left", Kept), ("right", Kept), ("total", Pointer))


class OuterCall(ctypes.Structure):
    """See products.cu."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("T", "B")),
        ("lengths", Pointer),
        ("members", Outer * 2),
    )


def at(array: Array | None) -> int | None:
    return None if array is None else array.ctypes.data


def rounded(array: Array) -> Array:
    """Numbers of 11 bits, as grugen_tensor_sums.cuh rounds."""
    enlarged = (array * np.float32(8193)).astype(np.float64)
    return (enlarged - 8192 * array.astype(np.float64)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Library:
    path: Path
    element: np.dtype[Any]
    functions: ctypes.CDLL
    arithmetic: str = "ieee"
    real: np.dtype[Any] | None = None
    """What is computed with, if not elements."""

    @property
    def sums(self) -> np.dtype[Any]:
        return self.real or self.element

    def factors(self, array: Array, sums: int = 1) -> Array:
        """What is multiplied in place of the elements of `array`, in float64.

        So many `sums` of a row and unit are formed together; too many are left to IEEE arithmetic.
        """
        if self.arithmetic != "tf32" or sums > MOST_SUMS["tf32"]:
            return array.astype(np.float64)
        return rounded(array).astype(np.float64)

    def product(
        self, x: Array, w: Array, v: Array, u: Array, lengths: Array | None, processors: int
    ) -> Array:
        """(T, B, matrices, units)."""
        steps, batch, _ = x.shape
        matrices, units = len(w) + len(u), w.shape[1]
        sums = np.full((steps, batch, matrices, units), np.nan, self.sums)
        packed = [np.full(m.size * 4 + 64 * len(m), np.nan, self.element) for m in (w, u)]
        call = ProductCall(
            *(steps, batch, at(lengths), units, x.shape[2], v.shape[2], at(x), at(v), at(w), at(u)),
            *(*map(at, packed), at(sums)),
        )
        for believed in (0, processors):
            status = self.functions.product(ctypes.byref(call), len(w), len(u), believed, None)
            assert not status, last_message(self.path)
        return sums

    def outer(self, pairs: list[tuple[Array, Array]], lengths: Array | None) -> list[Array]:
        """The products of two pairs (T, B, units), summed up over all rows."""
        steps, batch, _ = pairs[0][0].shape
        totals = [np.full((a.shape[2], b.shape[2]), np.nan, self.element) for a, b in pairs]
        kept = [
            [Kept(at(one), one.shape[2], one.shape[2], one.dtype != self.sums) for one in pair]
            for pair in pairs
        ]
        members = (Outer(*pair, at(t)) for pair, t in zip(kept, totals, strict=True))
        call = OuterCall(steps, batch, at(lengths), (Outer * 2)(*members))
        size = self.functions.outer_parts(ctypes.byref(call))
        parts = np.full(size, np.nan, self.sums)
        assert not self.functions.outer(ctypes.byref(call), Pointer(at(parts)), None), last_message(
            self.path
        )
        return totals


def built(element: str, arithmetic: str, into: Path, mode: Any = "plain") -> Library:
    reason = left_out()
    if reason:
        pytest.skip(reason)
    short = element == "bfloat16"
    real = {"float32": "float", "float64": "double", "bfloat16": "float"}[element]
    # what is left to the default in a library of bfloat16
    products = "tf32" if short else arithmetic
    chosen = [f"GRUGEN_REAL={real}", f"GRUGEN_PRODUCTS=GRUGEN_{products.upper()}"]
    chosen += ["BFLOAT16"] if short else []
    path = compile_library(KERNELS, mode, into, chosen, [templates_folder() / "cuda"], ["-O1"])
    functions = ctypes.CDLL(str(path))
    functions.outer_parts.restype = ctypes.c_int64
    if short:
        numbers = np.dtype(np.float32)
        return Library(path, np.dtype(ml_dtypes.bfloat16), functions, arithmetic, numbers)
    return Library(path, np.dtype(element), functions, arithmetic)


KINDS = ["float32 ieee", "float64 ieee", "float32 tf32", "float32 3xtf32", "bfloat16 ieee"]


@pytest.fixture(scope="module", params=KINDS)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    return built(*request.param.split(), tmp_path_factory.mktemp("products"))


def rows_of(steps: int, batch: int, lengths: Array | None) -> Array:
    """Which rows exist."""
    ends = np.full(batch, steps) if lengths is None else lengths
    return np.arange(steps)[:, None] < ends


def drawn(rng: np.random.Generator, shape: tuple[int, ...], element: np.dtype[Any]) -> Array:
    return rng.uniform(-1, 1, shape).astype(element)


def close(
    found: Array, wanted: Array, depth: int, element: np.dtype[Any], off: float = 0.0
) -> None:
    """Sums of so many products of numbers of at most 1; rounding once more may be `off` so much."""
    atol = depth * np.finfo(element).eps
    np.testing.assert_allclose(found.astype(np.float64), wanted, rtol=off, atol=atol)


def cases() -> Iterator[tuple[int, int, int]]:
    """Matrices of the first vector, of the second, and what sizes come from."""
    for seed, (w, u) in enumerate([(1, 0), (2, 0), (3, 0), (2, 1), (3, 2), (9, 3), (10, 10)]):
        yield w, u, 2 * seed
        yield w, u, 2 * seed + 1


@pytest.mark.parametrize(("matrices", "depth"), [(1, 136), (2, 128), (3, 192)])
def test_whole_chunks(library: Library, matrices: int, depth: int) -> None:
    """More than one chunk of the depth that is whole, and tiles whose rows all exist."""
    rng = np.random.default_rng(depth)
    x = drawn(rng, (65, 8, depth), library.element)
    w = drawn(rng, (matrices, 21, depth), library.element)
    nothing = drawn(rng, (0, 21, 1), library.element)
    wanted = np.einsum("tbk,muk->tbmu", library.factors(x, matrices), library.factors(w, matrices))
    for processors in SIZES.get(library.arithmetic, (SMALL, LARGE)):
        found = library.product(x, w, x[..., :1].copy(), nothing, None, processors)
        close(found, wanted, depth, library.sums)


@pytest.mark.parametrize(("w", "u", "seed"), list(cases()))
def test_products(library: Library, w: int, u: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps, batch = int(rng.integers(1, 40)), int(rng.integers(1, 6))
    units, x_depth, v_depth = (int(rng.integers(1, 150 // (w + u) + 40)) for _ in range(3))
    lengths = rng.integers(0, steps + 1, batch) if seed % 2 else None
    is_there = rows_of(steps, batch, lengths)
    x, v = (drawn(rng, (steps, batch, d), library.element) for d in (x_depth, v_depth))
    x[~is_there] = v[~is_there] = np.nan
    matrices = [drawn(rng, (m, units, d), library.element) for m, d in ((w, x_depth), (u, v_depth))]
    set_order(library.path, Order(seed % 3), seed)
    wanted = np.concatenate(
        [
            np.einsum("tbk,muk->tbmu", library.factors(a, w + u), library.factors(m, w + u))
            for a, m in ((x, matrices[0]), (v, matrices[1]))
        ],
        axis=2,
    )
    for processors in SIZES.get(library.arithmetic, (SMALL, LARGE)):
        found = library.product(x, matrices[0], v, matrices[1], lengths, processors)
        close(found[is_there], wanted[is_there], max(x_depth, v_depth), library.sums)
        assert np.isnan(found[~is_there]).all()


@pytest.mark.parametrize(
    ("sizes", "steps"),
    [
        pytest.param(((1, 1), (3, 2)), 1, id="tiny"),
        pytest.param(((33, 65), (64, 7)), 50, id="small"),
        pytest.param(((129, 200), (256, 128)), 9, id="large"),
    ],
)
@pytest.mark.parametrize("ragged", [False, True])
def test_outers(library: Library, sizes: Any, steps: int, ragged: bool) -> None:
    """Of elements, and of numbers that were computed, which short elements are rounded from."""
    for kind in dict.fromkeys((library.element, library.sums)):
        outers_of(library, sizes, steps, ragged, (kind, library.element))


def outers_of(library: Library, sizes: Any, steps: int, ragged: bool, kinds: Any) -> None:
    """The left vectors are of one kind, the right ones of another."""
    rng = np.random.default_rng(steps)
    batch = 4
    lengths = rng.integers(0, steps + 1, batch) if ragged else None
    is_there = rows_of(steps, batch, lengths)
    pairs = [
        tuple(drawn(rng, (steps, batch, n), kind) for n, kind in zip(pair, kinds, strict=True))
        for pair in sizes
    ]
    for array in (array for pair in pairs for array in pair):
        array[~is_there] = np.nan
    found = library.outer(pairs, lengths)  # type: ignore[arg-type]
    for (left, right), total in zip(pairs, found, strict=True):
        factors = (library.factors(a[is_there].astype(library.element)) for a in (left, right))
        wanted = next(factors).T @ next(factors)
        off = 0.0 if library.real is None else float(ml_dtypes.finfo(library.element).eps) / 2
        close(total, wanted, steps * batch, library.sums, off)
