"""Vectors of the openmp target: errors of their functions, parts of vectors in memory, sums.

`make exhaustive` looks at all 2^32 numbers of float32; here a sample has to do, which meets every
exponent. Each function is compiled at each width, and for a processor without fused products.
"""

from __future__ import annotations

import mmap
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import pytest

from grugen.assets import templates_folder
from grugen.toolchain.build import BuildOptions, SourceBundle, build

pytestmark = pytest.mark.compiles

EXHAUSTIVE = os.environ.get("GRUGEN_EXHAUSTIVE") == "1"
REALS = {"float32": "float", "float64": "double"}
PARTS = ("math", "exp", "log", "power")
HEADERS = ("grugen_vector.h", *(f"grugen_vector_{name}.h" for name in PARTS))
FUNCTIONS = {"exp": 2.0, "log": 2.0, "sigmoid": 2.0, "tanh": 2.0, "softplus": 2.0}
FUNCTIONS |= {"sqrt": 0.5, "abs": 0.0, "floor": 0.0, "relu": 0.0}
"""With the most units in the last place that each may be off."""
MOST_OF_POWERS = 4.0
LEVELS = [("native", 64), ("native", 32), ("native", 16)]
if platform.machine() in ("x86_64", "AMD64"):
    LEVELS.append(("x86-64", 16))
ODD = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: multiples of it are spread evenly over all bit patterns."""

MAPS = "".join(
    f"void map_{name}(const REAL *, REAL *, int64_t);"
    f"double worst_{name}(uint64_t, uint64_t, int64_t, double *);"
    for name in (*FUNCTIONS, "power", "whole_power")
)
DECLARATIONS = f"""{MAPS}
extern REAL exponent;
extern int whole_exponent;
void map_min(const REAL *, const REAL *, REAL *);
void map_max(const REAL *, const REAL *, REAL *);
void map_select(const REAL *, const REAL *, REAL *);
void map_spread(REAL, REAL *);
void copy(const REAL *, REAL *, int);
void copy_padded(const REAL *, REAL *, int);
REAL sum(const REAL *, int64_t);
REAL dot(const REAL *, const REAL *, int64_t);
int lanes_of_a_vector(void);
"""


@dataclass(frozen=True)
class Library:
    """The functions of one element type at one width."""

    dtype: np.dtype[Any]
    march: str
    vector_bytes: int
    ffi: cffi.FFI
    functions: Any

    def pointer(self, array: np.ndarray) -> Any:
        assert array.dtype == self.dtype
        return self.ffi.from_buffer(f"{REALS[self.dtype.name]}[]", array)

    def map(self, name: str, values: np.ndarray) -> np.ndarray:
        result = np.empty_like(values)
        call = getattr(self.functions, f"map_{name}")
        call(self.pointer(values), self.pointer(result), values.size)
        return result

    def pairs(self, name: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        result = np.empty_like(a)
        call = getattr(self.functions, f"map_{name}")
        lanes = self.functions.lanes_of_a_vector()
        for i in range(0, a.size, lanes):
            parts = (self.pointer(array[i : i + lanes]) for array in (a, b, result))
            call(*parts)
        return result


@pytest.fixture(scope="module", params=REALS)
def dtype(request: pytest.FixtureRequest) -> np.dtype[Any]:
    return np.dtype(request.param)


@pytest.fixture(scope="module", params=LEVELS, ids=lambda level: f"{level[0]}-{level[1]}")
def library(request: pytest.FixtureRequest, dtype: np.dtype[Any]) -> Library:
    march, vector_bytes = request.param
    real = REALS[dtype.name]
    lines = [
        f"#define GRUGEN_REAL {real}",
        f"#define GRUGEN_REAL_IS_F32 {int(real == 'float')}",
        f"#define GRUGEN_VECTOR_BYTES {vector_bytes}",
        (Path(__file__).parent / "vector_errors.c").read_text(),
    ]
    headers = ((name, (templates_folder() / "openmp" / name).read_text()) for name in HEADERS)
    files = (("vectors.c", "\n".join(lines)), *headers)
    # wider vectors than registers are passed in memory: only calls between libraries would mind
    strict = ("-Werror", "-Wshadow", "-Wconversion", "-Wno-psabi")
    ffi = cffi.FFI()
    ffi.cdef(DECLARATIONS.replace("REAL", real))
    path = build(SourceBundle("vectors", files), BuildOptions(march, strict))
    return Library(dtype, march, vector_bytes, ffi, ffi.dlopen(str(path)))


def ranges(dtype: np.dtype[Any]) -> Iterator[tuple[int, int, int]]:
    """Bits of numbers as first, step and count: all sizes, and densely where functions bend."""
    if dtype == np.float32:
        yield (0, 1, 2**32) if EXHAUSTIVE else (0, 1021, 2**32 // 1021)
        return
    many = 20_000_000 if EXHAUSTIVE else 400_000
    yield 0, ODD, many
    for low, high in ((2**-12, 2**10), (0.125, 2.0), (0.7, 1.45)):
        first, last = np.array([low, high]).view(np.uint64).tolist()
        for sign in (0, 2**63):
            yield first + sign, (last - first) // many | 1, many


def worst(library: Library, name: str) -> tuple[float, float]:
    call = getattr(library.functions, f"worst_{name}")
    argument = library.ffi.new("double *")
    found = [(call(*numbers, argument), argument[0]) for numbers in ranges(library.dtype)]
    return max(found)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error(name: str, library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    error, argument = worst(library, name)
    with capsys.disabled():
        level = f"{library.dtype} {library.march} {library.vector_bytes}"
        print(f"\n{name} {level}: {error:.3f} ulp at {argument!r}", end="")
    assert error <= FUNCTIONS[name]


@pytest.mark.parametrize("exponent", [0.5, -0.5, 1 / 3, 1.7, -2.3, 65.0, -66.0, 100.5, 1e9])
def test_error_of_powers(exponent: float, library: Library) -> None:
    library.functions.exponent = exponent
    assert worst(library, "power")[0] <= MOST_OF_POWERS


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 5, 6, 7, 31, 64])
def test_error_of_whole_powers(exponent: int, library: Library) -> None:
    library.functions.whole_exponent = exponent
    assert worst(library, "whole_power")[0] <= MOST_OF_POWERS


SPECIAL = {
    "exp": {np.inf: np.inf, -np.inf: 0.0, 0.0: 1.0, -1e30: 0.0, 1e30: np.inf},
    "log": {np.inf: np.inf, 0.0: -np.inf, 1.0: 0.0, -1.0: np.nan, -np.inf: np.nan},
    "sigmoid": {np.inf: 1.0, -np.inf: 0.0, 0.0: 0.5, -1e30: 0.0, 1e30: 1.0},
    "tanh": {np.inf: 1.0, -np.inf: -1.0, 0.0: 0.0, -1e30: -1.0, 1e30: 1.0},
    "softplus": {np.inf: np.inf, -np.inf: 0.0, 1e30: 1e30, -1e30: 0.0},
    "relu": {np.inf: np.inf, -np.inf: 0.0, -0.0: 0.0, 1e30: 1e30, -1e30: 0.0},
    "sqrt": {np.inf: np.inf, -1.0: np.nan, 0.0: 0.0},
    "abs": {-np.inf: np.inf, -0.0: 0.0},
    "floor": {np.inf: np.inf, -np.inf: -np.inf, -0.5: -1.0, 1e30: 1e30},
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_values(name: str, library: Library) -> None:
    given = np.array([np.nan, *SPECIAL[name]], library.dtype)
    expected = np.array([np.nan, *SPECIAL[name].values()], library.dtype)
    found = library.map(name, given)
    # kernels flush what is below the smallest normal number, here nobody does
    found[np.abs(found) < np.finfo(library.dtype).tiny] = 0
    np.testing.assert_array_equal(found, expected)


def test_log_of_negative_zero(library: Library) -> None:
    assert library.map("log", np.array([-0.0], library.dtype)).tolist() == [-np.inf]


@pytest.mark.parametrize("name", ["tanh", "floor", "sqrt"])
def test_sign_of_zero_is_kept(name: str, library: Library) -> None:
    zeros = library.map(name, np.array([0.0, -0.0], library.dtype))
    assert np.signbit(zeros).tolist() == [False, True]


@pytest.mark.parametrize("exponent", [0.5, -1.5, 65.0, -65.0, 66.0, np.inf, 0.0])
def test_special_powers(exponent: float, library: Library) -> None:
    given = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, -2.0]
    library.functions.exponent = exponent
    found = library.map("power", np.array(given, library.dtype))
    # as C has it: NumPy takes some exponents to be calls of other functions
    expected = [_power(a, exponent) for a in given]
    np.testing.assert_array_equal(found, np.array(expected, library.dtype))
    known = ~np.isnan(found)
    assert (np.signbit(found) == np.signbit(expected))[known].all()


def _power(a: float, exponent: float) -> float:
    """`pow` of C, of which Python makes exceptions."""
    whole = float(exponent).is_integer()
    negative = bool(np.signbit(a)) and whole and exponent % 2 == 1
    if exponent == 0:
        return 1.0
    if np.isinf(exponent) and abs(a) == 1:
        return 1.0
    if a < 0 and np.isfinite(a) and not whole and np.isfinite(exponent):
        return float("nan")
    with np.errstate(all="ignore"):
        size = float(np.exp2(np.float64(exponent) * np.log2(np.abs(a))))
    return -size if negative else size


def test_min_and_max_give_the_first_of_ties_and_of_what_has_no_order(library: Library) -> None:
    special = np.array([0.0, -0.0, 1.0, np.nan, np.inf, -np.inf, 2.0, -3.0], library.dtype)
    a, b = (part.ravel().copy() for part in np.meshgrid(special, special))
    for name, expected in (("min", np.where(b < a, b, a)), ("max", np.where(b > a, b, a))):
        assert library.pairs(name, a, b).tobytes() == expected.tobytes()


def test_select_takes_bits(library: Library) -> None:
    special = np.array([0.0, -0.0, 1.0, np.nan, np.inf, -np.inf, 2.0, -3.0], library.dtype)
    a, b = (part.ravel().copy() for part in np.meshgrid(special, special))
    assert library.pairs("select", a, b).tobytes() == np.where(a < b, a, b).tobytes()


def test_spread_keeps_the_sign_of_zero(library: Library) -> None:
    lanes = library.functions.lanes_of_a_vector()
    assert lanes == library.vector_bytes // library.dtype.itemsize
    spread = np.ones(lanes, library.dtype)
    library.functions.map_spread(-0.0, library.pointer(spread))
    assert np.signbit(spread).all()
    assert not spread.any()


def test_parts_of_vectors_leave_other_memory_alone(library: Library) -> None:
    """The arrays end where memory ends: the next page may not be touched."""
    page, lanes = mmap.PAGESIZE, library.functions.lanes_of_a_vector()
    memory = mmap.mmap(-1, 3 * page)
    libc = cffi.FFI()
    libc.cdef("int mprotect(void *, size_t, int);")
    address = libc.from_buffer(memory)
    start = -int(libc.cast("uintptr_t", address)) % page
    assert libc.dlopen(None).mprotect(address + start + page, page, 0) == 0
    array = np.frombuffer(memory, library.dtype, page // library.dtype.itemsize, start)
    copy, copy_padded = library.functions.copy, library.functions.copy_padded
    for count in range(1, lanes + 1):
        values = np.arange(1, lanes + 1, dtype=library.dtype)
        padded = np.full(lanes, np.nan, library.dtype)
        array[:] = np.nan
        array[-count:] = values[:count]
        copy_padded(library.pointer(array[-count:]), library.pointer(padded), count)
        np.testing.assert_array_equal(padded, np.where(np.arange(lanes) < count, values, 0))
        array[-count:] = np.nan
        copy(library.pointer(values), library.pointer(array[-count:]), count)
        np.testing.assert_array_equal(array[-count:], values[:count])
        assert np.isnan(array[:-count]).all()
    address_of_page = address + start + page
    assert libc.dlopen(None).mprotect(address_of_page, page, mmap.PROT_READ | mmap.PROT_WRITE) == 0


def test_sums(library: Library) -> None:
    """In the order that the header tells, wherever the numbers lie."""
    lanes = library.functions.lanes_of_a_vector()
    rng = np.random.default_rng(0)
    for n in [0, 1, lanes - 1, lanes, 4 * lanes, 4 * lanes + 1, 9 * lanes - 1, 1000]:
        p, q = rng.standard_normal((2, n)).astype(library.dtype)
        moved = np.concatenate([p[:1], p])[1:] if n else p
        found = library.functions.sum(library.pointer(p), n)
        assert found == _sum_in_order(p, lanes)
        assert found == library.functions.sum(library.pointer(moved), n)
        product = library.functions.dot(library.pointer(p), library.pointer(q), n)
        exact = float(np.dot(p.astype(np.longdouble), q.astype(np.longdouble)))
        bound = np.finfo(library.dtype).eps * float(np.abs(p) @ np.abs(q)) * (n + 1)
        assert abs(product - exact) <= bound


def _sum_in_order(values: np.ndarray, lanes: int) -> float:
    whole = values.size // (4 * lanes) * 4 * lanes
    accumulators = np.zeros((4, lanes), values.dtype)
    for four in values[:whole].reshape(-1, 4, lanes):
        accumulators += four
    for i in range(whole, values.size, lanes):
        part = values[i : i + lanes]
        accumulators[0, : part.size] += part
    total = (accumulators[0] + accumulators[1]) + (accumulators[2] + accumulators[3])
    while total.size > 1:
        half = total.size // 2
        total = total[:half] + total[half:]
    return float(total[0])
