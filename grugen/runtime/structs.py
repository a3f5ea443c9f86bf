"""The C structs that kernels are called with, found by the groups and fields of a signature."""

from __future__ import annotations

from typing import Any

from grugen.errors import InternalError
from grugen.runtime.engine import KernelCall, Key
from grugen.target.abi import Group, Signature


class CallForm:
    """What the struct of one kernel of a library looks like.

    `arrays` has by member of the struct what arrays it points to: field, C type, key.
    """

    def __init__(self, ffi: Any, name: str, signature: Signature, dims: tuple[str, ...]) -> None:
        """Raises KeyError or InternalError if the struct does not fit the signature."""
        self._ffi = ffi
        self._call_type = ffi.typeof(f"{name}_call *")
        members = dict(self._call_type.item.fields)
        # dims go by position: C may spell them otherwise
        spelled = [field for field, _ in members["dims"].type.fields] if dims else []
        if len(spelled) != len(dims):
            raise InternalError(f"{name}_call has {len(spelled)} dims, the interface {len(dims)}")
        self._dims = tuple(zip(spelled, dims, strict=True))
        groups: dict[Group, list[tuple[str, Any, Key]]] = {}
        for argument in signature.arguments:
            field = dict(members[argument.group.value].type.fields)[argument.field]
            entry = (argument.field, field.type, (argument.group, argument.key))
            groups.setdefault(argument.group, []).append(entry)
        self._numbers = groups.pop(Group.HYPER, [])
        self.arrays = tuple((group.value, tuple(entries)) for group, entries in groups.items())

    def filled(self, call: KernelCall) -> Any:
        """The struct for `call`, with all that is no pointer."""
        struct = self._ffi.new(self._call_type)
        struct.T = call.steps
        struct.B = call.batch
        if self._dims:
            dims = struct.dims
            for field, name in self._dims:
                setattr(dims, field, call.sizes[name])
        struct.reverse = call.reverse
        struct.keep_tape = int(call.keep_tape) + int(call.keep_tape and not call.states_only)
        if self._numbers:
            for field, _, key in self._numbers:
                setattr(struct.hyper, field, call.arrays[key])
        return struct
