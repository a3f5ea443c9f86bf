"""The C structs that kernels are called with, found by the groups and fields of a signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cffi
from _cffi_backend import cast, from_buffer  # without the look-up of types that ffi's own do

from grugen.errors import InternalError
from grugen.runtime.engine import KernelCall, Key, Struct
from grugen.target.abi import Group, Signature

VOID = cffi.FFI().typeof("void *")
"""The C type of any address; one object, whoever asks."""
pointer_to: Callable[[Any, Any], Any] = from_buffer
"""A pointer of the given type to the first byte of an array, which has to outlive its use."""


class CallForm:
    """What the struct of one kernel of a library looks like.

    `places` has which pointers are to arrays: their place among pointers, by key. `lengths` and
    `workspace` are places too.
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
        self.places: dict[Key, int] = {}
        for argument in signature.arguments:
            group = argument.group.value
            key = (argument.group, argument.key)
            if argument.field not in dict(members[group].type.fields):
                raise KeyError(argument.field)
            if argument.group is Group.HYPER:
                numbers.append((argument.field, key))
            else:
                self.places[key] = self.place(group, argument.field)
        self._numbers = tuple(numbers)
        self.lengths = self.place("lengths")
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

    def views(self, struct: Any) -> Struct:
        """The struct with what is to be written at `places`: a pointer, or a number, 0 for NULL."""
        return struct, cast(self._pointers, struct), cast(self._addresses, struct)
