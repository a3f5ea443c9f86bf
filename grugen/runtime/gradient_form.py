"""What one backward call decided about its arrays, and a later one like it need not decide again.

Calls are alike if their runs have the same sizes and kind of tape and gradients of the same names
were given, all on the host. Then they read, make and hand out the same arrays. A short call takes
as long as Python takes to find that out, and a long one leaves none of it in a cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from grugen.runtime.binding import Binding, Slot, tail_of
from grugen.runtime.elements import type_in
from grugen.runtime.engine import Array, Key
from grugen.runtime.memory import empty, filled, too_large
from grugen.runtime.places import AnyArray
from grugen.runtime.pool import PAGE
from grugen.target.abi import ArrayInfo, Group, ParamInfo, StateInfo

Info = ArrayInfo | ParamInfo | StateInfo
Read = Mapping[Group, Mapping[str, AnyArray]]
"""What a backward call was given, and the arrays of its run, by group and name."""

WRITTEN = (Group.FINAL, Group.OUTPUT, Group.SEQUENCE_SUM, Group.TOTAL)
"""What the backward kernel writes; it keeps no tape."""


class _Made(NamedTuple):
    """An array that every call makes: for the kernel, or of zeros if it has no `key`."""

    name: str
    key: Key | None
    what: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_small: bool


class GradientForm:
    """The arrays of backward calls that are alike."""

    __slots__ = ("_absent", "_made", "_reads", "_zeros")

    def __init__(
        self, binding: Binding, slots: Iterable[Slot], read: Read, steps: int, batch: int
    ) -> None:
        """`slots` are the arguments of the kernel, `read` the arrays of a first call of the form.

        Raises UsageError where there is no memory.
        """
        reads: list[tuple[Key, Group, str]] = []
        absent: list[tuple[Key, str, tuple[int, ...], np.dtype[Any]]] = []
        self._zeros: dict[Key, AnyArray | float] = {}
        written: dict[Key, Slot] = {}
        for slot in slots:
            key, group, shape = slot.key, slot.group, slot.full(steps, batch)
            if group in WRITTEN:
                written[key] = slot
            elif key[1] in read[group]:
                reads.append((key, group, key[1]))
            elif _is_small(shape, slot.dtype):
                # kernels only read what was not given, so one serves all calls
                nothing = filled(slot.what, shape, 0.0, slot.dtype)
                nothing.flags.writeable = False
                self._zeros[key] = nothing
            else:
                absent.append((key, slot.what, shape, slot.dtype))
        self._reads, self._absent = tuple(reads), tuple(absent)
        sizes = binding.settings.sizes

        def made(group: Group, info: Info, leading: tuple[int, ...]) -> _Made:
            shape = (*leading, *tail_of(info.shape, sizes))
            dtype, key = type_in(group, binding.dtype), (group, info.name)
            is_small, what = _is_small(shape, dtype), f"gradient of '{info.name}'"
            if key in written:
                return _Made(info.name, key, written[key].what, shape, dtype, is_small)
            return _Made(info.name, None, what, shape, dtype, is_small)

        self._made = tuple(
            tuple(made(group, info, leading) for info in infos)
            for group, infos, leading in handed_out(binding, (steps, batch))
        )

    def arrays(self, read: Read) -> tuple[dict[Key, AnyArray | float], list[dict[str, Array]]]:
        """The arrays of a kernel's call, and what is handed out of them, as `handed_out` says.

        Raises UsageError where there is no memory.
        """
        arrays = self._zeros.copy()
        for key, group, name in self._reads:
            arrays[key] = read[group][name]
        for key, what, shape, dtype in self._absent:
            arrays[key] = filled(what, shape, 0.0, dtype)
        results = []
        for group_made in self._made:
            found: dict[str, Array] = {}
            for name, written, what, shape, dtype, is_small in group_made:
                if written is None:
                    found[name] = filled(what, shape, 0.0, dtype)
                    continue
                if is_small:
                    try:
                        # as `empty` does, with what is known already
                        array = np.empty(shape, dtype)
                    except MemoryError as error:
                        size = math.prod(shape) * dtype.itemsize
                        raise too_large(what, str(shape), size) from error
                else:
                    array = empty(what, shape, dtype)
                arrays[written] = found[name] = array
            results.append(found)
        return arrays, results


def handed_out(
    binding: Binding, leading: tuple[int, int]
) -> Iterable[tuple[Group, tuple[Info, ...], tuple[int, ...]]]:
    """What `backward` returns for a run of T and B: by group, what has a gradient, leading axes.

    The groups come in the order of the fields of `Grads`.
    """
    interface = binding.interface
    inputs, static = (
        tuple(info for info in infos if info.gradient and not info.mask)
        for infos in (interface.inputs, interface.static)
    )
    return (
        (Group.TOTAL, interface.params, ()),
        (Group.OUTPUT, inputs, leading),
        (Group.SEQUENCE_SUM, static, leading[1:]),
        (Group.FINAL, interface.states, leading[1:]),
    )


def _is_small(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether memory for it is kept by the C library."""
    return 0 < math.prod(shape) * dtype.itemsize < PAGE
