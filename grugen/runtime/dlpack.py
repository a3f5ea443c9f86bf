"""Arrays of devices cross from one library to another in DLPack's capsules.

The struct is that of dlpack.h, version 0.8, which versioned capsules differ from; the protocol is
the array API's `__dlpack__`. Memory belongs to who exports it, until the consumer is done with it.
"""

from __future__ import annotations

import ctypes
from functools import cache
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from grugen.runtime.elements import BFLOAT16, element_type, is_bfloat16

CUDA = 2
"""The number of CUDA's devices."""
CUDA_MANAGED = 13
"""Of CUDA's memory that moves between host and device."""

_BFLOAT = 4
_KINDS = {0: "i", 1: "u", 2: "f", 5: "c", 6: "b"}
_CODES = {kind: code for code, kind in _KINDS.items()}
_NAMES = {0: "int", 1: "uint", 2: "float", _BFLOAT: "bfloat", 5: "complex", 6: "bool"}


class CTensor(ctypes.Structure):
    """The struct `DLTensor`."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


# consumers call it from any thread, with or without the interpreter lock
_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    _fields_ = (
        ("tensor", CTensor),
        ("context", ctypes.c_void_p),
        ("deleter", _Deleter),
    )


_python = ctypes.pythonapi
# a capsule comes as an address: in its destructor it must not be referred to any more
_Destructor = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_IsValid", _python)
)
_pointer_at = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", _python)
)
_pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", _python)
)
_new_capsule = ctypes.PYFUNCTYPE(
    ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)(("PyCapsule_New", _python))

_NAME = ctypes.create_string_buffer(b"dltensor")
"""Lives on: capsules keep its address."""

# what C holds on to: the exported structs and what they are about, by a number of their own
_EXPORTED: dict[int, tuple[object, ...]] = {}
_NUMBERS = count(1)


def _deleted(managed: int) -> None:
    number = ctypes.cast(managed, ctypes.POINTER(_Managed)).contents.context
    _EXPORTED.pop(number or 0, None)


def _capsule_gone(capsule: int) -> None:
    # a capsule that was consumed has another name
    if _is_valid(capsule, b"dltensor"):
        _deleted(_pointer_at(capsule, b"dltensor"))


# they live as long as the process: C has their addresses
_delete = _Deleter(_deleted)
_destroy = _Destructor(_capsule_gone)


def export(
    address: int, shape: tuple[int, ...], dtype: np.dtype[Any], device: int, owner: object
) -> object:
    """A capsule about C-contiguous memory of a CUDA device, which `owner` keeps."""
    number = next(_NUMBERS)
    sizes = (ctypes.c_int64 * len(shape))(*shape)
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    # given, though they could be left out: since version 1.2 they must not be
    steps = (ctypes.c_int64 * len(shape))(*reversed(strides))
    code = _BFLOAT if is_bfloat16(dtype) else _CODES[dtype.kind]
    bits = 8 * dtype.itemsize
    tensor = CTensor(address, CUDA, device, len(shape), code, bits, 1, sizes, steps, 0)
    managed = _Managed(tensor, number, _delete)
    _EXPORTED[number] = managed, sizes, steps, owner
    destructor = ctypes.cast(_destroy, ctypes.c_void_p)
    return _new_capsule(ctypes.addressof(managed), ctypes.addressof(_NAME), destructor)


class Tensor(NamedTuple):
    """What another library says: memory on `device` (its kind and its number) at `address`.

    `dtype` is None for an element type that NumPy lacks, which `type_name` names; strides count
    elements, None where elements lie in C order. `owner` keeps the memory.
    """

    device: tuple[int, int]
    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    dtype: np.dtype[Any] | None
    type_name: str
    owner: object


def read(capsule: object) -> Tensor:
    """What a capsule of the first version says; the capsule is the owner, and is not used up.

    One that nobody consumes deletes its tensor when it goes.
    """
    pointer = _pointer_of(capsule, b"dltensor")
    return told(_Managed.from_address(pointer).tensor, capsule)


def told(tensor: CTensor, owner: object) -> Tensor:
    """What the struct says."""
    axes, strides = tensor.ndim, tensor.strides
    dtype, name = _element_type(tensor.code, tensor.bits, tensor.lanes)
    return Tensor(
        (tensor.device_type, tensor.device_id),
        (tensor.data or 0) + tensor.byte_offset,
        tuple(tensor.shape[:axes]),
        tuple(strides[:axes]) if strides else None,
        dtype,
        name,
        owner,
    )


@cache
def _element_type(code: int, bits: int, lanes: int) -> tuple[np.dtype[Any] | None, str]:
    kind = _KINDS.get(code) if lanes == 1 and bits % 8 == 0 else None
    name = f"{_NAMES.get(code, 'type')}{'' if code == 6 else bits}"
    if name == BFLOAT16 and lanes == 1:
        return element_type(name), name
    return None if kind is None else np.dtype(f"{kind}{bits // 8}"), name
