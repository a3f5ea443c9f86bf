"""Parameters are packed once for many calls: a snapshot in the order that a kernel reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from grugen.runtime.binding import Binding
from grugen.runtime.engine import KernelCall, Key
from grugen.runtime.places import AnyArray
from grugen.target.abi import Group


def pack(
    binding: Binding, params: Mapping[str, AnyArray], into: AnyArray | None = None
) -> AnyArray:
    """What `KernelCall.packed` takes; written over `into`, which an earlier call returned.

    Raises UsageError where there is no memory for it.
    """
    arrays: dict[Key, AnyArray | float] = dict(binding.settings.fixed)
    arrays.update(((Group.PARAM, name), array) for name, array in params.items())
    sizes, place = binding.settings.sizes, binding.place
    call = KernelCall(1, 1, sizes, None, False, False, 1, arrays, place=place)
    if into is None:
        into = place.workspace("the packed params", binding.engine.packed_bytes(call))
    binding.engine.pack(replace(call, packed=into))
    return into
