"""The calls of one cell or snapshot: those like one before the short way, all others the long one.

What the short way does not take at sight, the long one accepts or refuses; so what users get does
not depend on what was called before.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

import numpy as np

from grugen.runtime.backward import Grads, run_backward
from grugen.runtime.binding import Binding
from grugen.runtime.engine import MOST_FORMS
from grugen.runtime.forward import EMPTY, Given, Run, Tape, accept, run_forward
from grugen.runtime.known_backward import KnownBackward, known_backward
from grugen.runtime.known_forward import KnownForward, KnownRecord, known_forward
from grugen.runtime.places import AnyArray
from grugen.runtime.threads import likely_threads

Known = TypeVar("Known")


class Calls:
    """`params` are the arrays that all of them read, `packed` is what `pack` made of them.

    Any thread may use it at any time.
    """

    __slots__ = (
        "_backward",
        "_binding",
        "_common",
        "_forward",
        "_inputs",
        "_is_short",
    )

    def __init__(
        self, binding: Binding, params: Mapping[str, AnyArray], packed: AnyArray | None = None
    ) -> None:
        self._binding = binding
        self._common = binding.common(params, packed)
        self._inputs = tuple(info.name for info in binding.interface.inputs)
        self._is_short = True
        self._forward: dict[Hashable, KnownForward] = {}
        self._backward: dict[Hashable, KnownBackward] = {}

    def forward(
        self,
        unnamed: tuple[object, ...],
        arrays: dict[str, Any],
        states: Mapping[str, Any] | None,
        lengths: Any,
        reverse: bool,
        tape: Tape,
        threads: int | None,
        stream: int | None,
    ) -> Run:
        """See `Cell.forward`; `arrays` is the call's own."""
        key: Hashable = None
        known: KnownForward | None = None
        if (
            self._is_short
            and not unnamed
            # by type as well: 1 is equal to True, and is refused
            and (stream is None or type(stream) is int)
            and (reverse is False or reverse is True)
            and (threads is None or type(threads) is int)
            and (states is None or type(states) is dict)
            and (lengths is None or type(lengths) is np.ndarray)
        ):
            # the caller may change its own
            states = states.copy() if states else {}
            count = likely_threads(threads)
            for name in self._inputs:
                first = arrays.get(name)
                if first is None:
                    continue
                # T and B are those of the first input
                shape = getattr(first, "shape", None)
                settings = count, reverse, tape, stream, lengths is None
                key = shape, *settings, *arrays, None, *states
                try:
                    known = self._forward.get(key)
                except TypeError:
                    # somebody's shape that has no hash
                    key = None
                if known is not None:
                    run = known.run(self if tape else None, arrays, states, lengths)
                    if run is not None:
                        return run
                break
        given = accept(self._binding, unnamed, arrays, states, lengths, reverse, stream)
        owner = self if tape else None
        run = run_forward(self._binding, self._common, given, threads, owner, tape == "states")
        if key is not None and _is_new(known, given, run):
            names = tuple(arrays)
            new = known_forward(self._binding, self._common, given, names, count, tape)
            # an engine that has no short way has none the next time
            self._is_short = new is not None
            _remember(self._forward, key, new)
        return run

    def backward(
        self,
        run: Run,
        outputs: Mapping[str, Any] | None,
        states: Mapping[str, Any] | None,
        threads: int | None,
        stream: int | None,
    ) -> Grads:
        """See `Cell.backward`."""
        key: Hashable = None
        # not by its property, which is a call
        record = run._record if type(run) is Run else None
        if (
            type(record) is KnownRecord
            and (stream is None or (type(stream) is int and stream == record.known.place.stream))
            and (threads is None or type(threads) is int)
            and (outputs is None or type(outputs) is dict)
            and (states is None or type(states) is dict)
        ):
            # the caller may change its own
            of_outputs = outputs.copy() if outputs else {}
            of_states = states.copy() if states else {}
            count = likely_threads(threads)
            # of a run of this cell only: no other cell has its known call
            key = record.known, count, *of_outputs, None, *of_states
            known = self._backward.get(key)
            if known is not None:
                grads = known.run(record, of_outputs, of_states)
                if grads is not None:
                    return grads
        grads = run_backward(
            self._binding, self._common, run, self, outputs, states, threads, stream
        )
        if isinstance(record, KnownRecord) and key is not None and key not in self._backward:
            new = known_backward(self._binding, self._common, record, of_outputs, of_states, count)
            _remember(self._backward, key, new)
        return grads


def _is_new(known: KnownForward | None, given: Given, run: Run) -> bool:
    """Whether other calls may be like this one, and are not like the known one."""
    if run.plan is EMPTY or given.place is not given.work:
        # nothing was run, or all arrays were carried to a device
        return False
    return known is None or (known.steps, known.batch) != (given.steps, given.batch)


def _remember(calls: dict[Hashable, Known], key: Hashable, new: Known | None) -> None:
    if new is not None:
        if len(calls) >= MOST_FORMS:
            calls.clear()
        calls[key] = new
