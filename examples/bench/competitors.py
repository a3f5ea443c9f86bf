"""The same products by our own code, by NumPy's BLAS and by torch, ready to be timed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from blocked import Array, Blocked

Runs = dict[str, Callable[[], None]]


class Competitors:
    """Engines for one element type and number of threads; each result is checked before."""

    def __init__(self, dtype: str, threads: int) -> None:
        self._blocked = Blocked(dtype)
        self._dtype = np.dtype(dtype)
        self._threads = threads
        self._random = np.random.default_rng(0)
        self._torch: Any = None
        self.about = _blas_of_numpy()
        if importlib.util.find_spec("torch"):
            self._torch = importlib.import_module("torch")
            self._torch.set_num_threads(threads)
            mkl = "MKL" if self._torch.backends.mkl.is_available() else "another BLAS"
            self.about += f", torch {self._torch.__version__} with {mkl}"

    def totals(self, rows: int, lefts: int, units: int, right: int) -> Runs:
        """left.T @ right for lefts side by side, as the peers need them."""
        beside = self._numbers(rows, lefts * units)
        other = self._numbers(rows, right)
        found = np.zeros((lefts * units, right), self._dtype)
        own = self._blocked.outer_totals(
            np.split(beside, lefts, axis=1),
            other,
            np.split(found, lefts),
            threads=self._threads,
        )
        return self._with_peers(own, found, beside.T, other)

    def ahead(self, rows: int, lefts: int, units: int, depth: int) -> Runs:
        """operand @ matrix.T, where only our own code has packed the matrix before."""
        operand = self._numbers(rows, depth)
        matrix = self._numbers(lefts * units, depth)
        own, found = self._blocked.ahead(operand, matrix, self._threads)
        return self._with_peers(own, found, operand, matrix.T)

    def _numbers(self, rows: int, columns: int) -> Array:
        return self._random.standard_normal((rows, columns)).astype(self._dtype)

    def _with_peers(self, own: Callable[[], None], found: Array, left: Array, right: Array) -> Runs:
        result = np.empty((left.shape[0], right.shape[1]), self._dtype)

        def numpy_product() -> None:
            np.matmul(left, right, out=result)

        runs: Runs = {"own": own, "numpy": numpy_product}
        if self._torch is not None:
            from_numpy = self._torch.from_numpy
            result_t = self._torch.empty(result.shape, dtype=from_numpy(result).dtype)
            left_t, right_t = from_numpy(left), from_numpy(right)
            runs["torch"] = lambda: self._torch.mm(left_t, right_t, out=result_t)
        own()
        numpy_product()
        _check(found, result)
        return runs


def _check(found: Array, expected: Array) -> None:
    error = float(np.abs(found - expected).max() / np.abs(expected).max())
    if error > 100 * float(np.finfo(expected.dtype).eps):
        raise SystemExit(f"the results differ: {error:.2g}")


def _blas_of_numpy() -> str:
    config: Any = np.show_config(mode="dicts")
    blas = config["Build Dependencies"]["blas"]
    return f"NumPy {np.__version__} with {blas['name']} {blas['version']}"


__all__: Sequence[str] = ("Competitors", "Runs")
