"""A call of a cell whose like has been before: of its C struct only what differs is written."""

from __future__ import annotations

from collections import deque
from typing import Any

from grugen.runtime.device_array import DeviceArray
from grugen.runtime.engine import KernelCall, Plan
from grugen.runtime.structs import CallForm
from grugen.target.abi import Group

Struct = tuple[Any, Any]
"""A C struct, and the same as addresses."""


class Form:
    """What calls of a cell that differ in their arrays only have in common, all on the device.

    `plan` is how they run. Structs that no call uses are kept, complete but for arrays, workspace
    and stream: threads that call at the same time have one each.
    """

    __slots__ = (
        "_form",
        "_lengths",
        "_places",
        "_regime",
        "_spare",
        "_stream",
        "_workspace",
        "plan",
    )

    def __init__(self, form: CallForm, call: KernelCall, regime: int, plan: Plan) -> None:
        self._form = form
        self._regime = regime
        self._places = tuple(
            (place, key)
            for key, place in form.places.items()
            # a state is there in one call and left out in another
            if key in call.arrays or key[0] is Group.INITIAL
        )
        self._workspace = form.workspace
        self._stream = form.place("stream")
        self._lengths = form.lengths
        self._spare: deque[Struct] = deque()
        self.plan = plan

    def struct(self, call: KernelCall, stream: int) -> Struct | None:
        """The struct for `call`, but for lengths and workspace.

        None if an array is not on the device.
        """
        try:
            found = self._spare.pop()
        except IndexError:
            found = self._new(call)
        addresses, arrays = found[1], call.arrays
        for place, key in self._places:
            array = arrays.get(key)
            if type(array) is DeviceArray:
                addresses[place] = array.address
            elif array is None:
                addresses[place] = 0
            else:
                return None
        addresses[self._stream] = stream
        return found

    def use(self, struct: Struct, lengths: int, workspace: int) -> Any:
        """The struct with its lengths and workspace, to be handed to the kernel."""
        whole, addresses = struct
        addresses[self._lengths] = lengths
        addresses[self._workspace] = workspace
        return whole

    def give_back(self, struct: Struct) -> None:
        """The kernel was started: it has a copy of the struct."""
        self._spare.append(struct)

    def _new(self, call: KernelCall) -> Struct:
        struct = self._form.filled(call)
        struct.regime = self._regime
        _, _, addresses = self._form.views(struct)
        common = call.common
        for key, place in self._form.places.items():
            array = common.arrays.get(key)
            if isinstance(array, DeviceArray):
                addresses[place] = array.address
        if isinstance(common.packed, DeviceArray):
            addresses[self._form.place("packed")] = common.packed.address
        return struct, addresses
