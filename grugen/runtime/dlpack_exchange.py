"""DLPack's functions for C tell of an array what `__dlpack__` tells, without any Python of its own.

A type of arrays that has them offers a table of them, `__dlpack_c_exchange_api__` (dlpack.h, from
version 1.3 on). An array that is taken so costs a microsecond or two, by `__dlpack__` twenty.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Hashable
from functools import lru_cache

from grugen.runtime.dlpack import CTensor, Tensor, told

MAJOR = 1
"""Of the versions whose structs these are."""


class _Managed(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", CTensor),
    )


class _Table(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("previous", ctypes.c_void_p),
        ("allocator", ctypes.c_void_p),
        ("managed_from_object", ctypes.c_void_p),
        ("managed_to_object", ctypes.c_void_p),
        ("tensor_from_object", ctypes.c_void_p),
        ("current_stream", ctypes.c_void_p),
    )


# with the interpreter lock, and what they raise is raised here
_FromObject = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p)
_CurrentStream = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int32, ctypes.c_int32, ctypes.c_void_p)
_Deleter = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_deleter = lru_cache(maxsize=64)(_Deleter)

_pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


class Held:
    """What another library keeps for us, until nothing refers to this any more."""

    __slots__ = ("_address", "_delete")

    def __init__(self, address: int, delete: Callable[[int], None]) -> None:
        self._address = address
        self._delete = delete

    def __del__(self) -> None:
        self._delete(self._address)


class Exchange:
    """The functions of one type of arrays."""

    __slots__ = ("_current_stream", "_from_object")

    def __init__(self, table: _Table) -> None:
        self._from_object = _FromObject(table.managed_from_object)
        self._current_stream = _CurrentStream(table.current_stream)

    def tensor(self, array: object) -> Tensor | None:
        """What an array of this type is; None if its library does not say it so.

        Nobody waits for what is still to be written in it.
        """
        made = ctypes.c_void_p()
        try:
            failed = self._from_object(array, ctypes.addressof(made))
        except Exception:
            # `__dlpack__` says why
            return None
        if failed or not made.value:
            return None
        managed = _Managed.from_address(made.value)
        deleter = managed.deleter
        owner = Held(made.value, _deleter(deleter)) if deleter else array
        return told(managed.tensor, owner)

    def stream(self, kind: int, number: int) -> int:
        """The stream on which the library works on a device at this moment, in this thread."""
        found = ctypes.c_void_p()
        self._current_stream(kind, number, ctypes.addressof(found))
        return found.value or 0


@lru_cache(maxsize=64)
def exchange_of(type_: Hashable) -> Exchange | None:
    """The functions of a type of arrays, if it has any that are understood here."""
    capsule = getattr(type_, "__dlpack_c_exchange_api__", None)
    if type(capsule).__name__ != "PyCapsule":
        return None
    table = _Table.from_address(_pointer_of(capsule, b"dlpack_exchange_api"))
    if table.major != MAJOR or not (table.managed_from_object and table.current_stream):
        return None
    return Exchange(table)
