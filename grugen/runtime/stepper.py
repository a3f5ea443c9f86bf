"""A cell that is fed one time step at a time, on buffers of its own.

Nothing is allocated or checked in a step. A stepper keeps no tape and takes no lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from grugen.runtime.binding import Binding
from grugen.runtime.buffers import Buffers
from grugen.runtime.elements import check_for_numpy
from grugen.runtime.engine import Array, Common, KernelCall, Key
from grugen.runtime.host_place import spread
from grugen.runtime.memory import filled
from grugen.runtime.packing import pack
from grugen.runtime.params import Params
from grugen.runtime.places import AnyArray
from grugen.runtime.rows import Rows, check_rows
from grugen.target.abi import ArrayInfo, Group, OutputInfo, StateInfo


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    """One of two kernel calls; each reads the states that the other one writes."""

    run: Callable[[], object]
    states: Buffers
    kept: object


class Stepper:
    """`step.x[:] = ...; step(); step.y`: a cell as a stream.

    Each input, static input and output is a buffer (B, ...) in `inputs`, `static` and `outputs`,
    and an attribute of its own name, unless an input and an output share it or the stepper has it.
    It works with a snapshot of the parameters, and not for several threads at once.
    """

    __slots__ = (
        "_binding",
        "_first",
        "_fresh",
        "_named",
        "_packed",
        "_params",
        "_source",
        "_starting",
        "_turns",
        "_work",
        "inputs",
        "outputs",
        "static",
    )

    inputs: Buffers
    """What the next step reads: first the defaults, else 0; then what was written last."""
    static: Buffers
    """What every step reads."""
    outputs: Buffers
    """What the last step returned; the next one overwrites it."""

    def __init__(self, binding: Binding, params: Params, batch: int, threads: int) -> None:
        check_for_numpy("the buffers of a stepper", binding.dtype, "call forward for each step")
        interface = binding.interface
        self._binding = binding
        self._source = params
        self._starting: list[StateInfo] = []
        # where the kernel runs: it is not to be brought there again
        self._params = params.copy(binding.place)
        self._packed = pack(binding, self._params.held)
        inputs = _buffers(binding, Group.INPUT, interface.inputs, (1, batch))
        static = _buffers(binding, Group.STATIC, interface.static, (batch,))
        outputs = _buffers(binding, Group.OUTPUT, interface.outputs, (1, batch))
        shared: dict[Key, AnyArray | float] = {
            **inputs,
            **static,
            **outputs,
        }
        common = binding.common(self._params.held, self._packed)
        # two sets, because no kernel need allow that it reads and writes the same memory
        one, other = (_states(binding, batch) for _ in range(2))
        self._turns = [
            _turn(binding, common, shared, one, other, batch, threads),
            _turn(binding, common, shared, other, one, batch, threads),
        ]
        self.inputs = Buffers("the inputs", {key[1]: array[0] for key, array in inputs.items()})
        self.static = Buffers("the static inputs", {key[1]: a for key, a in static.items()})
        self.outputs = Buffers("the outputs", {key[1]: a[0] for key, a in outputs.items()})
        self._named = {**self.inputs, **self.static, **self.outputs}
        self._first = [state for state in interface.states if state.init.first]
        self._fresh = np.zeros(batch, np.bool_)
        self._work = self._starting, self._turns
        self.reset()

    def __call__(self) -> None:
        """Run one step: `inputs` and `states` become `outputs` and the next `states`."""
        # one attribute: a class with __getattr__ finds each of them slowly
        starting, turns = self._work
        if starting:
            self._start_first_states()
        turns[0].run()
        turns.reverse()

    @property
    def states(self) -> Buffers:
        """The states (B, ...) that the next step starts from, to be read or written until then.

        A step puts the next states into other arrays: ask again after it.
        """
        return self._turns[0].states

    def reset(self, rows: Rows | None = None) -> None:
        """Start the sequences `rows` (all by default) anew: a number, a slice, numbers or a mask.

        A state that starts as an input does is set by the next step, from that step's input.
        Raises UsageError, and resets nothing, where `rows` does not fit the batch axis.
        """
        chosen = slice(None) if rows is None else check_rows(rows, len(self._fresh))
        for state in self._binding.interface.states:
            self.states[state.name][chosen] = 0.0 if state.init.first else state.init.value
        self._fresh[chosen] = True
        self._starting[:] = self._first

    def refresh(self) -> None:
        """Take the cell's parameters as they are now."""
        self._params.update(self._source)
        pack(self._binding, self._params.held, self._packed)

    def _start_first_states(self) -> None:
        for state in self._starting:
            target = self.states[state.name]
            values = self.inputs[state.init.first][self._fresh]
            target[self._fresh] = spread(values, target.ndim - 1)
        self._fresh[:] = False
        self._starting.clear()

    def __getattr__(self, name: str) -> Array:
        if name.startswith("_") or name not in self._named:
            raise AttributeError(f"the stepper has no '{name}'")
        self._refuse_two_meanings(name)
        return self._named[name]

    def __setattr__(self, name: str, value: object) -> None:
        if name in Stepper.__slots__ and not hasattr(self, name):
            object.__setattr__(self, name, value)
        elif getattr(self, name, None) is not value:
            # `step.x *= 2` assigns the array itself and is fine
            if name not in self._named and name not in Stepper.__slots__:
                raise AttributeError(f"the stepper has no '{name}'")
            self._refuse_two_meanings(name)
            raise AttributeError(
                f"'{name}' is a buffer and cannot be replaced\n"
                f"help: write into it: step.{name}[...] = value"
            )

    def _refuse_two_meanings(self, name: str) -> None:
        holders = {"inputs": "an input", "static": "a static input"}
        for holder, what in holders.items():
            if name in self.outputs and name in getattr(self, holder):
                raise AttributeError(
                    f"'{name}' is {what} and an output\n"
                    f"help: write step.{holder}['{name}'] or step.outputs['{name}']"
                )

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._named]


def _buffers(
    binding: Binding,
    group: Group,
    infos: tuple[ArrayInfo, ...] | tuple[OutputInfo, ...],
    leading: tuple[int, ...],
) -> dict[Key, Array]:
    buffers: dict[Key, Array] = {}
    for info in infos:
        rule = binding.rules[group][info.name]
        default = info.default if isinstance(info, ArrayInfo) else None
        # the rule of an output is about its gradient
        what = f"output '{info.name}'" if group is Group.OUTPUT else rule.what
        shape = (*leading, *rule.tail)
        buffers[group, info.name] = filled(what, shape, default or 0.0, binding.dtype)
    return buffers


def _states(binding: Binding, batch: int) -> dict[str, Array]:
    rules = binding.rules[Group.INITIAL]
    return {
        name: filled(rule.what, (batch, *rule.tail), 0.0, rule.dtype)
        for name, rule in rules.items()
    }


def _turn(
    binding: Binding,
    common: Common,
    shared: Mapping[Key, AnyArray | float],
    states: Mapping[str, Array],
    finals: Mapping[str, Array],
    batch: int,
    threads: int,
) -> _Turn:
    arrays = {
        **shared,
        **{(Group.INITIAL, name): array for name, array in states.items()},
        **{(Group.FINAL, name): array for name, array in finals.items()},
    }
    place = binding.place
    call = KernelCall(common, 1, batch, None, False, False, threads, arrays, place=place)
    prepared = binding.engine.prepare(call)
    return _Turn(prepared.run, Buffers("the states", states), prepared.kept)
