"""Arrays that other libraries have on a device are taken as they are, without a copy.

Both protocols are understood: `__cuda_array_interface__` (Numba's, version 2 and 3) and DLPack's,
by its functions for C where a library has them, else by `__dlpack__`. The stream that an array is
written on is waited for where the protocol tells it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol, cast

import numpy as np

from grugen.errors import GrugenError, UsageError
from grugen.runtime.cuda.driver import Driver
from grugen.runtime.device_array import LEGACY_STREAM, DeviceArray, Keeper
from grugen.runtime.dlpack import CUDA, CUDA_MANAGED, Tensor, read
from grugen.runtime.dlpack_exchange import Exchange, exchange_of


class Adopter(Keeper, Protocol):
    """The place that takes arrays."""

    @property
    def driver(self) -> Driver:
        """The functions of its library."""

    @property
    def device(self) -> str:
        """Such as `cuda:0`."""


def adopt(place: Adopter, what: str, name: str, value: object) -> object:
    """`value` as a DeviceArray of the device of `place`, if it is on a device.

    What the stream of `place` does from now on finds it written. Raises UsageError for an array
    that is on another device or not C-contiguous, or whose elements NumPy has no type for.
    """
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, DeviceArray):
        if value.is_of(place):
            return value
        _check_device(place, what, value.device)
        value.let_wait(place.stream)
        # what is made of it is made on this stream
        return DeviceArray(value.shape, value.dtype, value.address, value, place)
    exchange = exchange_of(cast(Hashable, type(value)))
    # an array that gradients are asked of is refused by its library, which says how to go on
    if exchange is not None and not getattr(value, "requires_grad", False):
        tensor = exchange.tensor(value)
        if tensor is not None:
            return _from_exchange(place, what, name, value, tensor, exchange)
    interface = _interface(what, value)
    if interface is not None and ("stream" in interface or not hasattr(value, "__dlpack__")):
        return _from_interface(place, what, name, value, interface)
    if _is_on_cuda(value):
        return _from_dlpack(place, what, name, value)
    return value


def _interface(what: str, value: object) -> dict[str, Any] | None:
    try:
        found = getattr(value, "__cuda_array_interface__", None)
    except GrugenError:
        raise
    except Exception as error:
        # PyTorch's for a tensor that a gradient is asked of
        raise _unreadable(what, error) from error
    return found if isinstance(found, dict) else None


def _is_on_cuda(value: object) -> bool:
    tell = getattr(value, "__dlpack_device__", None)
    return tell is not None and int(tell()[0]) in (CUDA, CUDA_MANAGED)


def _from_interface(
    place: Adopter, what: str, name: str, value: object, interface: dict[str, Any]
) -> DeviceArray:
    shape = tuple(int(size) for size in interface["shape"])
    dtype = np.dtype(interface["typestr"])
    address = int(interface["data"][0] or 0)
    if interface.get("mask") is not None:
        raise UsageError(f"{what} is a masked array, and its mask would be lost")
    strides = interface.get("strides")
    counted = None if strides is None else tuple(int(s) // dtype.itemsize for s in strides)
    _check_layout(what, name, shape, counted)
    if address:
        index = place.driver.device_of(address)
        _check_device(place, what, f"cuda:{index}" if index >= 0 else "the host")
    stream = interface.get("stream")
    # None: its owner says that nothing has to be waited for
    writer = place.stream if stream is None else 0 if stream == LEGACY_STREAM else int(stream)
    if writer != place.stream:
        place.driver.wait(place.stream, writer)
    return DeviceArray(shape, dtype, address, value, place)


def _from_exchange(
    place: Adopter, what: str, name: str, value: object, tensor: Tensor, exchange: Exchange
) -> object:
    kind, number = tensor.device
    if kind not in (CUDA, CUDA_MANAGED):
        return value
    if number != place.index:
        _check_device(place, what, f"cuda:{number}")
    writer = exchange.stream(kind, number)
    if writer == LEGACY_STREAM:
        writer = 0
    if writer != place.stream:
        place.driver.wait(place.stream, writer)
    return _from_tensor(place, what, name, tensor)


def _from_dlpack(place: Adopter, what: str, name: str, value: Any) -> DeviceArray:
    _check_device(place, what, f"cuda:{value.__dlpack_device__()[1]}")
    try:
        # its owner lets this stream wait
        tensor = read(value.__dlpack__(stream=place.stream or LEGACY_STREAM))
    except Exception as error:
        raise _unreadable(what, error) from error
    return _from_tensor(place, what, name, tensor)


def _from_tensor(place: Adopter, what: str, name: str, tensor: Tensor) -> DeviceArray:
    _, address, shape, strides, dtype, type_name, owner = tensor
    if dtype is None:
        raise UsageError(f"{what} has dtype {type_name}, which NumPy has none for")
    _check_layout(what, name, shape, strides)
    return DeviceArray(shape, dtype, address, owner, place)


def _unreadable(what: str, error: Exception) -> UsageError:
    return UsageError(f"{what} cannot be read: {type(error).__name__}: {error}")


def _check_device(place: Adopter, what: str, device: str) -> None:
    if device != place.device:
        advice = f"\nhelp: cell.to('{device}') is a cell that runs there" if ":" in device else ""
        raise UsageError(f"{what} is on {device}; this cell runs on {place.device}{advice}")


def _check_layout(
    what: str, name: str, shape: tuple[int, ...], strides: tuple[int, ...] | None
) -> None:
    if strides is None or 0 in shape:
        return
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            raise UsageError(f"{what} is not C-contiguous\nhelp: pass a contiguous copy of {name}")
        expected *= size
