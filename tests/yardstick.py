"""How far a target may be from the interpreter: section 4 of the design.

The distance e(a) = max|a - ref| / max(1, max|ref|) is taken to the float64 interpreter. A float32
target may be four times as far as the float32 interpreter is when it sums in other orders. With
products in `tf32`, that interpreter rounds the factors of its products, and the largest element may
be off by one rounding more.

With bfloat16 the reference starts from the numbers that arrays of bfloat16 hold, and products over
all rows are those of `tf32`, which has all of these. States are never rounded to bfloat16 on the
way from step to step; outputs are rounded once, to half a unit in the last place. Gradients are
taken at values that a tape has rounded, and so are the factors of their products: they may be four
times as far as those of an interpreter with such a tape and such products, and once rounded. Where
tensor cores form the products inside a loop, factors of those are rounded on the way forward, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from calls import Call, Tensors, run

from grugen.driver import Compiled
from grugen.ir import interpret
from grugen.ir.nodes import Function, Op
from grugen.ir.shapes import PRODUCTS
from grugen.runtime import CellModule, Engine, KernelCall, Plan
from grugen.runtime.elements import computed_type
from grugen.runtime.forward import Tape
from grugen.runtime.host_place import HOST
from grugen.runtime.places import Place
from grugen.target.abi import group_of

ORDERS = 4
FLOAT64_BOUND = 1e-10
FLOAT32_EPS = float(np.finfo(np.float32).eps)
HALF_ULP = 2.0**-8
"""Of bfloat16, beside a number of at least 1."""
BITS = {"tf32": 11, "bfloat16": 8}
"""Of a number."""
TF32_EPS = 2.0**-11
"""How far a factor of so many bits may be off, of its size."""


def in_bits(array: np.ndarray[Any, Any], bits: int) -> np.ndarray[Any, Any]:
    """The nearest numbers of so many bits."""
    mantissas, exponents = np.frexp(array)
    return np.ldexp(np.rint(np.ldexp(mantissas, bits)), exponents - bits).astype(array.dtype)


@contextmanager
def rounded_products(bits: int) -> Iterator[None]:
    """In the block, the interpreter rounds the factors of its products."""
    kept = {op: interpret.STRUCTURAL[op] for op in (*PRODUCTS, Op.OUTER)}

    def rounding(product: Any) -> Any:
        return lambda step, let, *factors: product(
            step, let, *(in_bits(factor, bits) for factor in factors)
        )

    interpret.STRUCTURAL.update((op, rounding(product)) for op, product in kept.items())
    try:
        yield
    finally:
        interpret.STRUCTURAL.update(kept)


class Interpreter:
    """The interpreter as an engine, summing in random orders if `shuffle` is given.

    It computes in float32 where arrays are bfloat16, and rounds what it writes to them.
    """

    target = "numpy"

    def __init__(
        self, cell: Compiled, dtype: np.dtype[Any], shuffle: np.random.Generator | None = None
    ) -> None:
        self.dtype = dtype
        self._steps = cell.steps
        self._shuffle = shuffle

    def place(self, device: object, stream: object) -> Place:
        return HOST

    def forward(self, call: KernelCall) -> Plan:
        return self._run(self._steps.forward, call)

    def backward(self, call: KernelCall) -> Plan:
        steps = self._steps
        return self._run(steps.backward_states if call.states_only else steps.backward, call)

    def repeated(self, call: KernelCall, *, backward: bool) -> None:
        """See `Engine`."""

    def _run(self, function: Function, call: KernelCall) -> Plan:
        computed = computed_type(self.dtype)
        given = {
            (source.role, source.key): np.asarray(
                call.argument((group_of(source.role), source.key)), computed
            )
            for source in function.sources
        }
        results = interpret.run(
            function,
            sizes=call.common.sizes,
            steps=call.steps,
            batch=call.batch,
            given=given,
            lengths=call.lengths,
            reverse=call.reverse,
            dtype=computed,
            shuffle=self._shuffle,
        )
        for (role, key), result in results.items():
            place = call.argument((group_of(role), key))
            if isinstance(place, np.ndarray):
                place[...] = result
        return Plan(self.target, 1)


def interpreted(cell: Compiled, shuffle: np.random.Generator | None = None) -> CellModule:
    """The cell as the interpreter runs it."""

    def engine(target: str, dtype: np.dtype[Any]) -> Engine:
        return Interpreter(cell, dtype, shuffle)  # type: ignore[return-value]

    return CellModule(cell.interface, engine, "numpy")


def distance(found: np.ndarray, reference: np.ndarray) -> float:
    """e(a); infinite where NaN, infinities or shapes differ."""
    if found.shape != reference.shape:
        return float("inf")
    finite = np.isfinite(reference)
    if not np.array_equal(found[~finite], reference[~finite], equal_nan=True):
        return float("inf")
    if not finite.any():
        return 0.0
    values = found[finite].astype(np.float64)
    if not np.isfinite(values).all():
        return float("inf")
    largest = max(1.0, float(np.abs(reference[finite]).max()))
    return float(np.abs(values - reference[finite]).max()) / largest


@dataclass(frozen=True, slots=True)
class Difference:
    """One tensor of a target beside the reference."""

    tensor: str
    shape: tuple[int, ...]
    error: float
    reference_error: float
    allowed: float

    def __str__(self) -> str:
        return (
            f"{self.tensor} {self.shape}: e = {self.error:.3g}, allowed {self.allowed:.3g}, "
            f"e_ref = {self.reference_error:.3g}"
        )


class Yardstick:
    """The reference of one call, and how far others may be from it."""

    def __init__(self, cell: Compiled, call: Call) -> None:
        self.cell = cell
        self.call = call
        self.reference = run(interpreted(cell), call, "numpy", "float64")
        self._reference_errors: dict[tuple[str, str], Mapping[str, float]] = {}

    def reference_errors(self, dtype: str, products: str) -> Mapping[str, float]:
        """e_ref by tensor."""
        key = dtype, products
        if key not in self._reference_errors:
            # what is on a tape matters only where it is rounded
            tapes: tuple[Tape, ...] = ("gates", "states") if dtype == "bfloat16" else ("gates",)
            with rounded_products(BITS[products]) if products in BITS else nullcontext():
                orders = [
                    # under the name of the target that has all element types
                    run(interpreted(self.cell, rng), self.call, "cuda", dtype, tape=tape)
                    for rng in map(np.random.default_rng, range(ORDERS))
                    for tape in tapes
                ]
            self._reference_errors[key] = {
                name: max(distance(found[name], reference) for found in orders)
                for name, reference in self.reference.items()
            }
        return self._reference_errors[key]

    def bound(self, name: str, dtype: str, products: str) -> tuple[float, float]:
        """e_ref of a tensor, and how far it may be away."""
        if dtype == "float64":
            return 0.0, FLOAT64_BOUND
        is_gradient = name.startswith("d ")
        if dtype == "bfloat16" and products == "ieee":
            products = dtype if is_gradient else "tf32"
        error = self.reference_errors(dtype if is_gradient else "float32", products)[name]
        is_rounded = dtype == "bfloat16" and not name.startswith("state ")
        eps = TF32_EPS if products in BITS else 16 * FLOAT32_EPS
        return error, 4 * error + eps + (HALF_ULP if is_rounded else 0)

    def differences(self, found: Tensors, dtype: str, products: str = "ieee") -> list[Difference]:
        """Every tensor with its error and what is allowed."""
        assert found.keys() == self.reference.keys()
        measured: list[Difference] = []
        for name, reference in self.reference.items():
            error_of_reference, allowed = self.bound(name, dtype, products)
            error = distance(found[name], reference)
            measured.append(Difference(name, reference.shape, error, error_of_reference, allowed))
        return measured

    def check(self, found: Tensors, dtype: str, what: str, products: str = "ieee") -> None:
        """Fail with every tensor that is too far away, the call and the spec."""
        wrong = [d for d in self.differences(found, dtype, products) if not d.error <= d.allowed]
        if wrong:
            listed = "\n".join(f"  {difference}" for difference in wrong)
            raise AssertionError(
                f"{what} {dtype} is not the interpreter:\n{listed}\n{self.call}\n"
                f"{self.cell.spec.source.text}"
            )
