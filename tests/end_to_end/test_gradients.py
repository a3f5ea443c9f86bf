"""The interpreter's gradients are derivatives: checked by the complex step.

f(x + i e d) = f(x) + i e f'(x) d + O(e^2): the imaginary part is the derivative in direction d,
without the cancellation of a difference (Squire & Trapp 1998). Targets are compared with the
interpreter beside this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from calls import Call, run, run_forward
from trials import compiled, invented, trial
from yardstick import Interpreter, interpreted

from grugen.assets import shipped_specs
from grugen.driver import Compiled, compile_spec
from grugen.ir import interpret
from grugen.ir.nodes import ResultRole, SourceRole
from grugen.runtime import CellModule, KernelCall, Plan
from grugen.target.abi import group_of

STEP = 1e-30
SEED = 1998
CELLS = 60
GROUPS = {
    SourceRole.PARAM: "d param",
    SourceRole.INPUT: "d input",
    SourceRole.STATIC: "d static",
    SourceRole.STATE: "d state",
}
Given = dict[tuple[SourceRole, str], np.ndarray]


class _Recorder(Interpreter):
    """Keeps the last forward call."""

    last: KernelCall | None = None

    def forward(self, call: KernelCall) -> Plan:
        self.last = call
        return super().forward(call)


def recorded(cell: Compiled, call: Call) -> tuple[KernelCall, Given]:
    """The kernel call, and the array of every source as a complex one."""
    recorder = _Recorder(cell, np.dtype(np.float64))
    module = CellModule(cell.interface, lambda target, dtype: recorder, "numpy")
    run_forward(module, call, "numpy", "float64")
    assert recorder.last is not None
    given = {
        (source.role, source.key): np.asarray(
            recorder.last.argument((group_of(source.role), source.key)), np.complex128
        )
        for source in cell.steps.forward.sources
    }
    return recorder.last, given


def loss(cell: Compiled, kernel: KernelCall, call: Call, given: Given) -> complex:
    """The results weighted by the gradients that the backward call starts from."""
    results = interpret.run(
        cell.steps.forward,
        sizes=kernel.common.sizes,
        steps=kernel.steps,
        batch=kernel.batch,
        given=given,
        lengths=kernel.lengths,
        reverse=kernel.reverse,
        dtype=np.dtype(np.complex128),
    )
    weights = {(ResultRole.OUTPUT, name): array for name, array in call.d_outputs.items()}
    weights |= {(ResultRole.NEXT_STATE, name): array for name, array in call.d_states.items()}
    # past the ends of sequences weights are NaN and results are 0
    return sum((results[key] * np.nan_to_num(w)).sum() for key, w in weights.items())


def derivatives(
    cell: Compiled, call: Call, gradients: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, float, float, float]]:
    """For every gradient, in a random direction: its name, the derivative, what the gradient says,

    and how large the terms of that sum are.
    """
    rng = np.random.default_rng(0)
    kernel, given = recorded(cell, call)
    for (role, key), array in given.items():
        name = f"{GROUPS.get(role, '')} {key}"
        if name not in gradients:
            continue
        direction = rng.normal(size=array.shape)
        # what may not be read stays as it is: NaN + i e is NaN, too
        moved: dict[Any, Any] = {**given, (role, key): array + 1j * STEP * direction}
        derivative = loss(cell, kernel, call, moved).imag / STEP
        terms = gradients[name] * direction
        yield name, derivative, float(terms.sum()), float(np.abs(terms).sum())


def check(cell: Compiled, call: Call) -> int:
    """How many gradients were compared."""
    gradients = run(interpreted(cell), call, "numpy", "float64")
    count = 0
    for name, derivative, found, size in derivatives(cell, call, gradients):
        error = abs(derivative - found) / max(1.0, size)
        text = cell.spec.source.text
        assert error < 1e-11, f"{name}: {derivative} is not {found}\n{call}\n{text}"
        count += 1
    return count


def test_of_random_cells() -> None:
    rng = np.random.default_rng(SEED)
    count = 0
    for invention in invented(CELLS, SEED):
        cell = compiled(invention.named("cell"))
        made = trial(cell, invention.gaps, rng, everything=True)
        if made is not None:
            count += check(cell, made.call)
    assert count > 5 * CELLS


@pytest.mark.parametrize("name", shipped_specs())
def test_of_shipped_cells(name: str) -> None:
    cell = compile_spec(name)
    rng = np.random.default_rng(SEED)
    for _ in range(3):
        made = trial(cell, (), rng, everything=True)
        assert made is not None
        assert check(cell, made.call) >= len(cell.interface.params) + 2


def test_every_decay_of_gru_d_is_trained() -> None:
    """relu has no slope at and below 0: parameters start where it has one."""
    cell = compile_spec("gru_d")
    fresh = interpreted(cell).Cell(D=33, H=8, x_mean=np.zeros(33), seed=0)
    rng = np.random.default_rng(0)
    shape = (6, 20, 33)
    run = fresh.forward(
        x=rng.normal(size=shape),
        m=rng.integers(0, 2, shape).astype(bool),
        delta=rng.uniform(0.1, 2.0, shape),
        tape=True,
    )
    gradients = fresh.backward(run, outputs={"y": rng.normal(size=(6, 20, 8))})
    assert np.count_nonzero(gradients.params["w_gx"]) == 33
    assert gradients.params["W_gh"].any(axis=1).all()
