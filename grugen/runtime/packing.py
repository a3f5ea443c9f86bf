"""Parameters are packed once for many calls: a snapshot in the order that a kernel reads."""

from __future__ import annotations

from collections.abc import Mapping

from grugen.runtime.binding import Binding
from grugen.runtime.engine import KernelCall
from grugen.runtime.places import AnyArray


def pack(
    binding: Binding, params: Mapping[str, AnyArray], into: AnyArray | None = None
) -> AnyArray:
    """What `Common.packed` takes; written over `into`, which an earlier call returned.

    Raises UsageError where there is no memory for it.
    """
    engine, place = binding.engine, binding.place
    if into is None:
        size = engine.packed_bytes(_call(binding, params))
        into = place.workspace("the packed params", size)
    engine.pack(_call(binding, params, into))
    return into


def _call(
    binding: Binding, params: Mapping[str, AnyArray], packed: AnyArray | None = None
) -> KernelCall:
    common = binding.common(params, packed)
    return KernelCall(common, 1, 1, None, False, False, 1, {}, place=binding.place)
