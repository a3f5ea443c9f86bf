"""The elementary functions of generated code, in units in the last place of the exact result.

Errors are measured against NumPy with more digits: float64 for float32, extended for float64. The
functions are compiled as they are used: in a loop, with the flags of every library.
"""

from __future__ import annotations

from collections.abc import Callable

import cffi
import numpy as np
import pytest

from grugen.assets import templates_folder
from grugen.toolchain.build import BuildOptions, SourceBundle, build

pytestmark = pytest.mark.compiles

MOST_ULP = 3.0
SUFFIXES = {"float32": "f32", "float64": "f64"}
C_TYPES = {"float32": "float", "float64": "double"}
WIDER = {"float32": np.float64, "float64": np.longdouble}

Reference = Callable[[np.ndarray], np.ndarray]


def _sigmoid(a: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(a))
    return np.where(a < 0, e, 1) / (1 + e)


def _softplus(a: np.ndarray) -> np.ndarray:
    return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))


REFERENCES: dict[str, Reference] = {
    "exp": np.exp,
    "log": np.log,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "softplus": _softplus,
}
SPECIAL: dict[str, dict[float, float]] = {
    "exp": {np.inf: np.inf, -np.inf: 0.0, 0.0: 1.0, -1e20: 0.0, 1e20: np.inf},
    "log": {np.inf: np.inf, 0.0: -np.inf, 1.0: 0.0, -1.0: np.nan, -np.inf: np.nan},
    "sigmoid": {np.inf: 1.0, -np.inf: 0.0, 0.0: 0.5, -1e20: 0.0, 1e20: 1.0},
    "tanh": {np.inf: 1.0, -np.inf: -1.0, 0.0: 0.0, -1e20: -1.0, 1e20: 1.0},
    "softplus": {np.inf: np.inf, -np.inf: 0.0, 1e20: 1e20, -1e20: 0.0},
}


@pytest.fixture(scope="module")
def library() -> tuple[cffi.FFI, object]:
    lines = ['#include "grugen_math.h"']
    ffi = cffi.FFI()
    for name in REFERENCES:
        for element, suffix in SUFFIXES.items():
            real = C_TYPES[element]
            head = f"void {name}_{suffix}(const {real} *from, {real} *to, int64_t n)"
            ffi.cdef(f"{head};")
            call = f"to[i] = grugen_{name}_{suffix}(from[i]);"
            lines += [f"{head}", "{", f"    for (int64_t i = 0; i < n; ++i) {{ {call} }}", "}"]
    header = templates_folder() / "common" / "grugen_math.h"
    files = (("functions.c", "\n".join(lines) + "\n"), (header.name, header.read_text()))
    path = build(SourceBundle("functions", files), BuildOptions(extra=("-Werror",)))
    return ffi, ffi.dlopen(str(path))


def apply(library: tuple[cffi.FFI, object], name: str, values: np.ndarray) -> np.ndarray:
    ffi, functions = library
    result = np.empty_like(values)
    real = C_TYPES[values.dtype.name]
    getattr(functions, f"{name}_{SUFFIXES[values.dtype.name]}")(
        ffi.from_buffer(f"{real}[]", values), ffi.from_buffer(f"{real}[]", result), values.size
    )
    return result


def samples(element: str) -> np.ndarray:
    """Numbers of every size: all bit patterns in steps, and densely where functions bend."""
    if element == "float32":
        # a prime step meets every exponent with ever other digits
        spread = np.arange(0, 2**32, 1021, dtype=np.uint64).astype(np.uint32).view(np.float32)
    else:
        rng = np.random.default_rng(0)
        spread = rng.integers(0, 2**63, 1_000_000, dtype=np.uint64).view(np.float64)
        spread = np.concatenate([spread, -spread])
    dense = np.linspace(-110, 110, 1_000_001).astype(element)
    near = (np.linspace(-2, 2, 500_001) ** 3).astype(element)
    found = np.concatenate([spread, dense, near, (1 + near / 8).astype(element)])
    return found[np.isfinite(found)]


def ulps(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The error in units in the last place of the exact result; 0 where it is as it should be."""
    element = found.dtype
    rounded = exact.astype(element)
    # below the smallest normal number results may be flushed to zero
    unit = np.spacing(np.maximum(np.abs(rounded), np.finfo(element).tiny)).astype(exact.dtype)
    error = np.abs(found.astype(exact.dtype) - exact)
    tiny = np.abs(exact) < np.finfo(element).tiny
    same = (found == rounded) | (tiny & (np.abs(found) <= np.finfo(element).tiny))
    return np.where(same, 0, error / unit)


@pytest.mark.parametrize("element", SUFFIXES)
@pytest.mark.parametrize("name", REFERENCES)
def test_error(
    name: str, element: str, library: tuple[cffi.FFI, object], capsys: pytest.CaptureFixture[str]
) -> None:
    values = samples(element)
    values = values[values > 0] if name == "log" else values
    with np.errstate(all="ignore"):
        exact = REFERENCES[name](values.astype(WIDER[element]))
        errors = ulps(apply(library, name, values), exact)
    worst = int(np.nanargmax(errors))
    with capsys.disabled():
        print(f"\n{name} {element}: {errors[worst]:.2f} ulp at {values[worst]!r}", end="")
    assert not np.isnan(errors).any()
    assert errors[worst] <= MOST_ULP


@pytest.mark.parametrize("element", SUFFIXES)
@pytest.mark.parametrize("name", REFERENCES)
def test_special_values(name: str, element: str, library: tuple[cffi.FFI, object]) -> None:
    given = np.array([np.nan, *SPECIAL[name]], element)
    expected = np.array([np.nan, *SPECIAL[name].values()], element)
    np.testing.assert_array_equal(apply(library, name, given), expected)


@pytest.mark.parametrize("element", SUFFIXES)
def test_tanh_keeps_the_sign_of_zero(element: str, library: tuple[cffi.FFI, object]) -> None:
    zeros = apply(library, "tanh", np.array([0.0, -0.0], element))
    assert np.signbit(zeros).tolist() == [False, True]


@pytest.mark.parametrize("element", SUFFIXES)
@pytest.mark.parametrize("name", ["exp", "sigmoid", "tanh", "softplus"])
def test_never_falls(name: str, element: str, library: tuple[cffi.FFI, object]) -> None:
    """Larger arguments have results that are no smaller, but for the last digits."""
    values = np.sort(samples(element))
    values = values[np.abs(values) < 88]
    results = apply(library, name, values)
    fallen = results[:-1] - results[1:]
    assert (fallen <= MOST_ULP * np.spacing(np.abs(results[:-1]))).all()
