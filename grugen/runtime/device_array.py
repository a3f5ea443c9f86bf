"""An array in a device's memory, as calls return it and other libraries take it without a copy.

It knows the stream that it is written on, and tells it to who reads it. It computes nothing:
CuPy, PyTorch and JAX make arrays of their own of it, `numpy()` copies it to the host.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from grugen.runtime.dlpack import CUDA, export
from grugen.runtime.elements import check_for_numpy, is_bfloat16, name_of

LEGACY_STREAM = 1
"""What stands for the default stream where 0 would be ambiguous."""
PER_THREAD_STREAM = 2


class Keeper(Protocol):
    """A device with a stream: what an array needs of the place it lies in."""

    @property
    def index(self) -> int:
        """The number of the device."""

    @property
    def stream(self) -> int:
        """The stream that the array is written on; 0 is the default stream."""

    def fetch(self, array: DeviceArray) -> NDArray[Any]:
        """A copy on the host."""

    def let_wait(self, stream: int) -> None:
        """What comes on `stream` from now on waits for what is on this stream now."""

    def converted(self, array: DeviceArray, dtype: np.dtype[Any]) -> DeviceArray:
        """A mask of bytes as an array of `dtype`."""


class DeviceArray:
    """`dtype` elements of `shape`, C-contiguous, on `device`; alive as long as anything uses it.

    CuPy, PyTorch and others take it as it is: `cupy.asarray(a)`, `torch.from_dlpack(a)`. Its memory
    is used again when the last of them is gone, by calls on the stream that it was made on.
    """

    __slots__ = ("__weakref__", "_keeper", "_memory", "address", "dtype", "shape")

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        address: int,
        memory: object,
        keeper: Keeper,
    ) -> None:
        """`memory` keeps what lies at `address`."""
        self.shape = shape
        self.dtype = dtype
        self.address = address
        self._memory = memory
        self._keeper = keeper

    @property
    def device(self) -> str:
        """Such as `cuda:0`."""
        return f"cuda:{self._keeper.index}"

    @property
    def stream(self) -> int:
        """The handle of the stream that writes it; 0 is the default stream."""
        return self._keeper.stream

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of its elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The size of its elements."""
        return self.size * self.dtype.itemsize

    def numpy(self) -> NDArray[Any]:
        """A copy on the host, made when all that writes the array is done."""
        check_for_numpy("an array", self.dtype, "take it as it is: torch.from_dlpack(array)")
        return self._keeper.fetch(self)

    def let_wait(self, stream: int) -> None:
        """What comes on `stream` from now on finds the array written."""
        if stream != self.stream:
            self._keeper.let_wait(stream)

    def is_of(self, keeper: Keeper) -> bool:
        """Whether it lies there, and is written on that stream."""
        return self._keeper is keeper

    def astype(self, dtype: np.dtype[Any]) -> DeviceArray:
        """A mask of bytes as an array of `dtype`, on the same stream."""
        return self._keeper.converted(self, dtype)

    @property
    def __cuda_array_interface__(self) -> dict[str, object]:
        if is_bfloat16(self.dtype):
            # an AttributeError: who looks for the protocol finds that there is none
            raise AttributeError(
                "__cuda_array_interface__ cannot tell of bfloat16\n"
                "help: DLPack can: torch.from_dlpack(array), jax.dlpack.from_dlpack(array)"
            )
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address if self.size else 0, False),
            "strides": None,
            "version": 3,
            "stream": self.stream or LEGACY_STREAM,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return CUDA, self._keeper.index

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> object:
        """A capsule, as DLPack defines it; what the consumer does on `stream` finds it written.

        The version of the capsule is the first one, which consumers of every version take.
        """
        if dl_device not in (None, self.__dlpack_device__()):
            raise BufferError(f"this array is on {self.device}; it is not copied elsewhere")
        if copy:
            raise BufferError("this array is exported without a copy only")
        # -1: the consumer cares for the order itself
        if stream != -1:
            reader = LEGACY_STREAM if stream is None else stream
            self.let_wait(0 if reader == LEGACY_STREAM else reader)
        return export(self.address, self.shape, self.dtype, self._keeper.index, self)

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError(
            f"this array is on {self.device} and becomes no NumPy array by itself\n"
            "help: call its numpy()"
        )

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a number has no length")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<device array {self.shape} {name_of(self.dtype)} {self.device}>"
