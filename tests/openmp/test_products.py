"""Totals and products of generated code: any size, any number of threads, the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blocked import Array, Blocked, aligned
from product_trials import ORDERS, Trial, some_trial, some_units
from yardstick import FLOAT64_BOUND, distance

from grugen.toolchain.build import BuildOptions

pytestmark = pytest.mark.compiles

TRIALS = 60
THREADS = (1, 2, 3, 7)
MARCHES = ("native", "x86-64-v3", "x86-64")
DTYPES = ("float32", "float64")
STRICT = ("-Wshadow", "-Wconversion", "-Werror")
EPS = float(np.finfo(np.float32).eps)


def poisoned(count: int, dtype: np.dtype[Any]) -> Array:
    memory = aligned(count, dtype)
    memory.fill(np.nan)
    return memory


@pytest.fixture(scope="module", params=[(dtype, march) for dtype in DTYPES for march in MARCHES])
def blocked(request: pytest.FixtureRequest) -> Blocked:
    dtype, march = request.param
    if march != "native" and os.uname().machine != "x86_64":
        pytest.skip("an instruction set of another processor")
    if march == "x86-64-v3" and "avx2" not in Path("/proc/cpuinfo").read_text(encoding="ascii"):
        pytest.skip("this processor has no AVX2")
    return Blocked(dtype, BuildOptions(march, STRICT), poisoned)


def check(found: Array, expected: Array, single: list[Array], what: object) -> None:
    """Section 4 of the design: four times as far as NumPy in float32 is, in other orders."""
    allowed = FLOAT64_BOUND
    if found.dtype == np.float32:
        allowed = 4 * max(distance(other, expected) for other in single) + 16 * EPS
    assert distance(found, expected) <= allowed, what


def orders(count: int, random: np.random.Generator) -> list[np.ndarray]:
    return [random.permutation(count) for _ in range(ORDERS)]


def test_rows_are_listed_alike_for_any_tiles(blocked: Blocked) -> None:
    """Totals are summed up in the order of the list; memory of a tile's own is one piece."""
    random = np.random.default_rng(5)
    for _ in range(TRIALS):
        steps, batch = int(random.integers(1, 9)), int(random.integers(1, 70))
        lengths = random.integers(0, steps + 1, batch)
        order = np.argsort(-lengths, kind="stable")
        expected, _ = blocked.listed(lengths, steps, batch)
        valid = [t * batch + b for t in range(steps) for b in range(batch) if t < lengths[b]]
        assert sorted(expected) == valid
        for sequences in (1, 5, 16, 24, batch):
            given, own = blocked.listed(lengths, steps, sequences)
            assert (given == expected).all()
            place = np.argsort(order)[given % batch]
            tile = place // sequences
            count = np.minimum(sequences, batch - tile * sequences)
            before = tile * sequences * steps
            slot = place - tile * sequences
            assert (own == before + given // batch * count + slot).all()


def test_outer_totals_are_numpys(blocked: Blocked) -> None:
    random = np.random.default_rng(1)
    for _ in range(TRIALS):
        check_totals(blocked, some_trial(random, blocked.dtype.name), random)


def check_totals(blocked: Blocked, trial: Trial, random: np.random.Generator) -> None:
    found = trial.found(blocked, 1)
    expected = trial.expected(np.dtype(np.float64))
    single = [
        trial.expected(np.dtype(np.float32), order)
        for order in orders(len(trial.chosen(trial.right)), random)
    ]
    for number, total in enumerate(found):
        check(total, expected[number], [other[number] for other in single], trial)
    for threads in THREADS[1:]:
        for total, again in zip(found, trial.found(blocked, threads), strict=True):
            assert total.tobytes() == again.tobytes(), (threads, str(trial))


def wide(rows: int, columns: int, dtype: np.dtype[Any], offset: int) -> Array:
    """A matrix whose first element lies `offset` elements behind an address of vectors."""
    memory = aligned(rows * columns + offset, dtype)
    return memory[offset:].reshape(rows, columns)


@pytest.mark.parametrize(
    "places",
    [(0, 1, 2, 3), (0, 1, 3), (1, 0, 3), (2, 3), (3, 0)],
    ids=["in a row", "with a gap", "not in order", "from the middle", "around"],
)
def test_operands_are_read_where_they_lie(blocked: Blocked, places: tuple[int, ...]) -> None:
    """In memory that vectors fit, side by side; anywhere else they are packed: the same bits."""
    random = np.random.default_rng(5)
    for rows, units in ((900, 64), (70, 32), (1100, 16)):
        # narrower than the totals' other side, and wider: each of them is the wide one once
        for other in (33, 200):
            kept = np.flatnonzero(random.random(rows) < 0.7).astype(np.int64)
            values = np.full((rows, 4 * units), np.nan, blocked.dtype)
            values[kept] = random.standard_normal((len(kept), 4 * units))
            right = np.full((rows, other), np.nan, blocked.dtype)
            right[kept] = random.standard_normal((len(kept), other))
            found = []
            for offset in (0, 1):
                memory = wide(rows, 4 * units, blocked.dtype, offset)
                memory[...] = values
                lefts = tuple(memory[:, units * n : units * (n + 1)] for n in places)
                before = tuple(np.ones((units, other), blocked.dtype) for _ in places)
                summed = (True, False) * len(places)
                found.append(Trial(lefts, right, before, kept, summed[: len(places)]))
            check_totals(blocked, found[0], random)
            for total, again in zip(*(trial.found(blocked, 2) for trial in found), strict=True):
                assert total.tobytes() == again.tobytes(), (rows, units, other)


@pytest.mark.parametrize("units", [(400, 700), (1000, 130), (40, 1300)])
def test_large_totals_are_cut_among_threads(blocked: Blocked, units: tuple[int, int]) -> None:
    random = np.random.default_rng(2)
    left, right = (random.standard_normal((900, n)).astype(blocked.dtype) for n in units)
    trial = Trial((left,), right, (np.zeros(units, blocked.dtype),), None)
    check_totals(blocked, trial, random)


def test_vector_totals_are_numpys(blocked: Blocked) -> None:
    random = np.random.default_rng(3)
    for _ in range(TRIALS):
        trial = some_trial(random, blocked.dtype.name)
        before = [random.standard_normal(left.shape[1]) for left in trial.lefts]
        found: list[list[Array]] = []
        for threads in THREADS:
            totals = [total.astype(blocked.dtype) for total in before]
            blocked.vector_totals(trial.lefts, totals, trial.rows, threads)()
            found.append(totals)
        for number, left in enumerate(trial.lefts):
            chosen, total = trial.chosen(left), before[number].astype(blocked.dtype)
            single = [
                total + chosen[order].astype(np.float32).sum(0, dtype=np.float32)
                for order in orders(len(chosen), random)
            ]
            expected = total.astype(np.float64) + chosen.astype(np.float64).sum(0)
            check(found[0][number], expected, single, trial)
            assert len({totals[number].tobytes() for totals in found}) == 1


def test_products_with_packed_weights_are_numpys(blocked: Blocked) -> None:
    random = np.random.default_rng(4)
    for _ in range(TRIALS):
        rows, units, depth = (some_units(random) for _ in range(3))
        operand = random.standard_normal((rows, depth)).astype(blocked.dtype)
        matrix = random.standard_normal((units, depth)).astype(blocked.dtype)
        found: list[Array] = []
        for threads in THREADS:
            product, out = blocked.ahead(operand, matrix, threads)
            product()
            found.append(np.ascontiguousarray(out))
        single = [
            operand[:, order].astype(np.float32) @ matrix[:, order].astype(np.float32).T
            for order in orders(depth, random)
        ]
        expected = operand.astype(np.float64) @ matrix.astype(np.float64).T
        check(found[0], expected, single, (rows, units, depth))
        assert len({out.tobytes() for out in found}) == 1


def test_products_are_clean() -> None:
    command = ["cc", "-print-file-name=libasan.so"]
    library = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(library).is_absolute():
        pytest.skip("the C compiler has no address sanitizer")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("sanitized_products.py")), "30"],
        # Python itself leaves memory behind when it ends
        env={**os.environ, "LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == "clean\n"
