"""What runs a cell's two kernels, compiled or interpreted: one call of arrays in, arrays filled.

Everything is checked before it comes here; an engine trusts its caller and knows no defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from grugen.runtime.places import AnyArray, Place
from grugen.target.abi import SUFFIXES, Group

ON_CPU = ("sequential", "openmp")
BUILT = (*ON_CPU, "cuda")
TARGETS = ("numpy", *BUILT)
"""Where a cell can run; what is not built is interpreted."""
DTYPES = tuple(SUFFIXES)

Array = NDArray[Any]
Key = tuple[Group, str]
"""Which argument of a kernel: its group and the spec's name of what it holds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a call was run: the name of the way that was taken, and on how many threads at most.

    No thread of the CPU computes where the target is `cuda`: `threads` is 0. `workspace_bytes` is
    the memory that the kernel worked in beside the arrays of the call.
    """

    name: str
    threads: int
    workspace_bytes: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class KernelCall:
    """All that a kernel reads, and the arrays that it fills.

    `arrays` has every argument of the kernel's signature, laid out as its group says, C-contiguous
    and of the engine's dtype; hypers are floats, and what no tape is to have is left out.
    `sizes` has every dimension; `lengths` None means that all are `steps`. `packed` is what `pack`
    made of the parameters; None lets the kernel pack them for itself. With `states_only` the tape
    that is written or read has the states and nothing else.

    The target `cuda` runs in `place`, its default where that is None; arrays may be NumPy's, which
    are carried there and back. If all are on the device, the kernel is only started.
    """

    steps: int
    batch: int
    sizes: Mapping[str, int]
    lengths: NDArray[np.int64] | None
    reverse: bool
    keep_tape: bool
    threads: int
    arrays: Mapping[Key, AnyArray | float]
    packed: AnyArray | None = None
    states_only: bool = False
    place: Place | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A kernel with all that it needs: `run` as often as wanted, but not twice at the same time.

    It works on memory that `kept` keeps.
    """

    run: Callable[[], object]
    kept: object


class Engine(Protocol):
    """The two kernels of a cell for one target and dtype; any thread may call at any time."""

    @property
    def target(self) -> str:
        """One of TARGETS."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type of every array."""

    def place(self, device: object, stream: object) -> Place:
        """Where the kernels find their arrays: on `device`, on which they run in `stream`.

        None stands for the default. Raises UsageError for what the target does not have.
        """

    def forward(self, call: KernelCall) -> Plan:
        """Fill the states after the last step, the outputs and, if asked, the tape."""

    def backward(self, call: KernelCall) -> Plan:
        """Fill the gradients; `call.reverse` is the opposite of the forward call's."""

    def packed_bytes(self, call: KernelCall) -> int:
        """How many bytes `pack` fills; `call` needs sizes only."""

    def pack(self, call: KernelCall) -> None:
        """Fill `call.packed` for the forward kernel; `call` needs parameters and settings only."""

    def prepare(self, call: KernelCall) -> Prepared:
        """The forward kernel bound to `call`, to be run again and again on the same arrays."""
