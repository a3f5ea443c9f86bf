"""Calls of a kernel that differ in their arrays only, all on one device and in one stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from grugen.runtime.cuda.place import DevicePlace
from grugen.runtime.device_array import DeviceArray
from grugen.runtime.engine import KernelCall, Key, Plan, Struct
from grugen.runtime.pool import block_size
from grugen.runtime.structs import CallForm


class CalledThere(Protocol):
    """A kernel of a library; `run` is looked up at each call: a test may put another one there."""

    form: CallForm
    run: Callable[[Any], int]


class RepeatedThere:
    """See `Repeated`; `words` say what failed if the kernel does.

    Threads that call at the same time have a struct each: the kernel gets a copy of it.
    """

    __slots__ = (
        "_call",
        "_form",
        "_kernel",
        "_largest",
        "_place",
        "_plan",
        "_regime",
        "_whole",
        "_words",
        "lengths",
        "places",
        "spare",
        "workspace",
    )

    def __init__(
        self,
        kernel: CalledThere,
        call: KernelCall,
        place: DevicePlace,
        regime: int,
        words: str,
    ) -> None:
        """Calls that are `call` but for arrays that it lacks; `runs_as` has to follow."""
        form = kernel.form
        self._kernel = kernel
        self._form = form
        self._call = call
        self._place = place
        self._regime = regime
        self._words = words
        self.places: Mapping[Key, int] = form.places
        self.lengths = form.lengths
        self.workspace = form.workspace
        self.spare: deque[Struct] = deque()

    def runs_as(self, plan: Plan) -> None:
        """Such calls run as `plan` says."""
        size = plan.workspace_bytes
        self._plan = plan
        self._whole = block_size(size)
        self._largest = "a kernel's workspace", (size,), size

    def new(self) -> Struct:
        """See `Repeated`."""
        struct = self._form.filled(self._call)
        struct.regime = self._regime
        views = self._form.views(struct)
        _, _, addresses = views
        addresses[self._form.place("stream")] = self._place.stream
        common = self._call.common
        for key, place in self._form.places.items():
            array = common.arrays.get(key)
            if isinstance(array, DeviceArray):
                addresses[place] = array.address
        if isinstance(common.packed, DeviceArray):
            addresses[self._form.place("packed")] = common.packed.address
        return views

    def start(self, struct: Struct) -> Plan:
        """See `Repeated`. Raises DeviceError where there is no memory, and what CUDA says."""
        whole, _, addresses = struct
        place = self._place
        lease = place.lend_whole(self._whole, self._largest)
        addresses[self.workspace] = lease.address
        error = place.driver.call(self._kernel.run, whole, place.index)
        if error:
            raise place.driver.failure(error, self._words, place.index)
        self.spare.append(struct)
        return self._plan
