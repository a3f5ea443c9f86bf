"""Parameters are packed once for many calls: a snapshot in the order that a kernel reads."""

from __future__ import annotations

from collections.abc import Mapping

from grugen.runtime.binding import Binding
from grugen.runtime.engine import Array, KernelCall, Key
from grugen.runtime.memory import workspace
from grugen.target.abi import Group


def pack(binding: Binding, params: Mapping[str, Array], into: Array | None = None) -> Array:
    """What `KernelCall.packed` takes; written over `into`, which an earlier call returned.

    Raises UsageError where there is no memory for it.
    """
    arrays: dict[Key, Array | float] = dict(binding.settings.fixed)
    arrays.update(((Group.PARAM, name), array) for name, array in params.items())
    sizes = binding.settings.sizes
    if into is None:
        call = KernelCall(1, 1, sizes, None, False, False, 1, arrays)
        into = workspace("the packed params", binding.engine.packed_bytes(call))
    binding.engine.pack(KernelCall(1, 1, sizes, None, False, False, 1, arrays, into))
    return into
