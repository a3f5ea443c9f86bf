"""Every pass keeps the meaning: interpreted before and after, random cells give the same bits."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))

from calls import Call, random_call, run_forward
from trials import SIZES, compiled, invented
from yardstick import Interpreter

from grugen.driver import Compiled
from grugen.ir import interpret
from grugen.ir.from_spec import lower_spec
from grugen.ir.nodes import Function, ResultRole, Source, SourceRole
from grugen.passes.pipeline import CLEANING, lower
from grugen.passes.plan_tape import Keep, plan_tape
from grugen.passes.sink_cheap import sink_cheap
from grugen.passes.split_strata import split_strata
from grugen.runtime import CellModule, KernelCall, Plan
from grugen.target.abi import group_of
from grugen.target.interface import constant_names

CELLS = 60
SEED = 11
Results = Mapping[tuple[ResultRole, str], np.ndarray]


@pytest.fixture(scope="module")
def cells() -> list[tuple[Compiled, Call]]:
    rng = np.random.default_rng(SEED)
    found = []
    for invention in invented(CELLS, SEED):
        cell = compiled(invention.named("cell"))
        sizes = {dim: int(rng.choice(SIZES[:6])) for dim in cell.interface.dims}
        call = random_call(
            cell.interface, rng, sizes=sizes, steps=4, batch=3, gaps=invention.gaps, everything=True
        )
        found.append((cell, call))
    return found


class _Steps:
    """Runs any step of a cell on the data of one call."""

    def __init__(self, cell: Compiled, call: Call) -> None:
        self._call = call
        recorder = _Recorder(cell, np.dtype(np.float64))
        module = CellModule(cell.interface, lambda target, dtype: recorder, "numpy")
        run_forward(module, call, "numpy", "float64")
        self._kernel = recorder.last

    def forward(self, step: Function) -> Results:
        given = {(source.role, source.key): self._array(source) for source in step.sources}
        return self._run(step, given, self._call.reverse)

    def backward(self, forward: Function, backward: Function, keep: Keep) -> Results:
        """The gradients by `backward`, which reads what `forward` and `keep` leave it."""
        forward, backward = plan_tape(forward, backward, keep)
        tape = self.forward(forward)
        given = {}
        for source in backward.sources:
            if source.role is SourceRole.TAPE:
                array = tape[ResultRole.TAPE, source.key]
            elif source.role is SourceRole.OUTPUT_GRADIENT:
                array = self._call.d_outputs[source.key]
            elif source.role is SourceRole.STATE:
                array = self._call.d_states[source.key]
            else:
                array = self._array(source)
            given[source.role, source.key] = array
        return self._run(backward, given, not self._call.reverse)

    def _array(self, source: Source) -> np.ndarray:
        """What the caller gave; also for sources that the finished step no longer reads."""
        call = self._call
        given = {**call.inputs, **call.static, **call.fixed, **call.params, **call.states}
        key = group_of(source.role), source.key
        return np.asarray(self._kernel.arrays.get(key, given[source.key]))

    def _run(self, step: Function, given: interpret.Given, reverse: bool) -> Results:
        return interpret.run(
            step,
            sizes=self._call.sizes,
            steps=self._call.steps,
            batch=self._call.batch,
            given=given,
            lengths=self._call.lengths,
            reverse=reverse,
            dtype=np.dtype(np.float64),
        )


class _Recorder(Interpreter):
    last: KernelCall

    def forward(self, call: KernelCall) -> Plan:
        self.last = call
        return super().forward(call)


def check_same(before: Results, after: Results, what: str) -> None:
    for key, values in before.items():
        if key[0] is not ResultRole.TAPE:
            np.testing.assert_array_equal(after[key], values, err_msg=f"{what} {key}")


@pytest.mark.parametrize("pass_name", [name for name, _ in CLEANING])
def test_cleaning_changes_no_bit(pass_name: str, cells: list[tuple[Compiled, Call]]) -> None:
    clean = dict(CLEANING)[pass_name]
    shorter = 0
    for cell, call in cells:
        steps = _Steps(cell, call)
        before = lower_spec(cell.spec)
        after = clean(before)
        text = cell.spec.source.text
        check_same(steps.forward(before), steps.forward(after), text)
        raw = _raw_backward(cell)
        expected = steps.backward(cell.steps.forward, raw, "states")
        found = steps.backward(cell.steps.forward, clean(raw), "states")
        check_same(expected, found, text)
        shorter += len(clean(raw).lets) < len(raw.lets)
    assert shorter, "the pass did nothing"


def test_the_tape_changes_no_bit(cells: list[tuple[Compiled, Call]]) -> None:
    """What is kept is what would be computed anew."""
    for cell, call in cells:
        steps = _Steps(cell, call)
        raw = _raw_backward(cell)
        forward = cell.steps.forward
        gates = steps.backward(forward, raw, "gates")
        check_same(steps.backward(forward, raw, "states"), gates, cell.spec.source.text)


def test_sinking_changes_no_bit(cells: list[tuple[Compiled, Call]]) -> None:
    """The step with copies of its cheap lines, in the order in which phases run."""
    copied = 0
    for cell, call in cells:
        steps = _Steps(cell, call)
        before = cell.steps.forward
        after, _ = sink_cheap(before, split_strata(before))
        check_same(steps.forward(before), steps.forward(after), cell.spec.source.text)
        copied += {let.name for let in after.lets} != {let.name for let in before.lets}
    assert copied, "the pass did nothing"


def _raw_backward(cell: Compiled) -> Function:
    """The derivative before anything else is done to it."""
    seen: dict[str, Function] = {}
    lower(lower_spec(cell.spec), constant_names(cell.spec), observe=seen.setdefault)
    return seen["differentiate"]
