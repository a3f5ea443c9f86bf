"""The C structs that kernels are called with, found by the groups and fields of a signature."""

from __future__ import annotations

from typing import Any

from _cffi_backend import cast  # without the look-up of types that ffi's own does

from grugen.errors import InternalError
from grugen.runtime.engine import KernelCall, Key
from grugen.target.abi import Group, Signature


class CallForm:
    """What the struct of one kernel of a library looks like.

    `places` has what arrays it points to: which pointer, its C type, key. `workspace` is one too.
    """

    def __init__(self, ffi: Any, name: str, signature: Signature, dims: tuple[str, ...]) -> None:
        """Raises KeyError or InternalError if the struct does not fit the signature."""
        self._ffi = ffi
        self._call_type = ffi.typeof(f"{name}_call *")
        struct_type = self._call_type.item
        members = dict(struct_type.fields)
        # dims go by position: C may spell them otherwise
        spelled = [field for field, _ in members["dims"].type.fields] if dims else []
        if len(spelled) != len(dims):
            raise InternalError(f"{name}_call has {len(spelled)} dims, the interface {len(dims)}")
        self._dims = tuple(zip(spelled, dims, strict=True))
        numbers: list[tuple[str, Key]] = []
        places: list[tuple[int, Any, Key]] = []
        for argument in signature.arguments:
            group = argument.group.value
            key = (argument.group, argument.key)
            type_ = dict(members[group].type.fields)[argument.field].type
            if argument.group is Group.HYPER:
                numbers.append((argument.field, key))
            else:
                places.append((self.place(group, argument.field), type_, key))
        self._numbers = tuple(numbers)
        self.places = tuple(places)
        self.workspace = self.place("workspace")
        self._pointers = ffi.typeof("void **")
        self._addresses = ffi.typeof("uintptr_t *")

    def place(self, *fields: str) -> int:
        """Which pointer of the struct a member is, if the struct were nothing but pointers."""
        offset = self._ffi.offsetof(self._call_type.item, *fields)
        return int(offset) // int(self._ffi.sizeof("void *"))

    def filled(self, call: KernelCall) -> Any:
        """The struct for `call`, with all that is no pointer."""
        struct = self._ffi.new(self._call_type)
        struct.T = call.steps
        struct.B = call.batch
        if self._dims:
            dims = struct.dims
            for field, name in self._dims:
                setattr(dims, field, call.common.sizes[name])
        struct.reverse = call.reverse
        struct.keep_tape = int(call.keep_tape) + int(call.keep_tape and not call.states_only)
        if self._numbers:
            for field, key in self._numbers:
                setattr(struct.hyper, field, call.argument(key))
        return struct

    def pointers(self, struct: Any) -> Any:
        """The struct as if it were nothing but pointers, to be written at `places`."""
        return cast(self._pointers, struct)

    def addresses(self, struct: Any) -> Any:
        """The same as numbers, 0 being NULL."""
        return cast(self._addresses, struct)
