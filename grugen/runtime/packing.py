"""Parameters are packed once for many calls: a snapshot in the order that a kernel reads."""

from __future__ import annotations

from collections.abc import Mapping

from grugen.runtime.binding import Binding
from grugen.runtime.engine import Array, KernelCall
from grugen.runtime.memory import workspace


def pack(binding: Binding, params: Mapping[str, Array], into: Array | None = None) -> Array:
    """What `Common.packed` takes; written over `into`, which an earlier call returned.

    Raises UsageError where there is no memory for it.
    """
    if into is None:
        into = workspace("the packed params", binding.engine.packed_bytes(_call(binding, params)))
    binding.engine.pack(_call(binding, params, into))
    return into


def _call(binding: Binding, params: Mapping[str, Array], packed: Array | None = None) -> KernelCall:
    return KernelCall(binding.common(params, packed), 1, 1, None, False, False, 1, {})
