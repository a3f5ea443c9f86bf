"""What runs a cell's two kernels, compiled or interpreted: one call of arrays in, arrays filled.

Everything is checked before it comes here; an engine trusts its caller and knows no defaults.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from grugen.runtime.places import AnyArray, Place
from grugen.target.abi import SUFFIXES, Group

ON_CPU = ("sequential", "openmp")
BUILT = (*ON_CPU, "cuda")
TARGETS = ("numpy", *BUILT)
"""Where a cell can run; what is not built is interpreted."""
DTYPES = tuple(SUFFIXES)
_ON_HOST = ("float32", "float64")
OFFERED = {target: DTYPES if target == "cuda" else _ON_HOST for target in TARGETS}
"""The element types of each target."""

MOST_FORMS = 64
"""How many forms of calls a cell remembers; then it starts anew."""

Array = NDArray[Any]
Key = tuple[Group, str]
"""Which argument of a kernel: its group and the spec's name of what it holds."""


Struct = tuple[Any, Any, Any]
"""A C struct; the same as if it were nothing but pointers; and as if nothing but addresses."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a call was run: the name of the way that was taken, and on how many threads.

    They may be fewer than were asked for. No thread of the CPU computes where the target is `cuda`:
    `threads` is 0. `workspace_bytes` is the memory that the kernel worked in beside the arrays of
    the call.

    `loops` has a line for each of its loops over steps, where the target is `cuda`: into how many
    blocks it was cut, what they keep where, and what a step should cost by the model that chose it.
    """

    name: str
    threads: int
    workspace_bytes: int = 0
    loops: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Common:
    """What all calls of a cell share: `sizes` of its dims, and arrays that stay where they are.

    `arrays` has the constants and params, and hypers as floats. `packed` is what `pack` made of the
    params; None lets a kernel pack them for itself.
    """

    sizes: Mapping[str, int]
    arrays: Mapping[Key, AnyArray | float]
    packed: AnyArray | None = None


class KernelCall(NamedTuple):
    """All that a kernel reads, and the arrays that it fills; a tuple, because it is made quickly.

    `arrays` has what `common` lacks of the kernel's signature, laid out as its group says,
    C-contiguous and of the engine's dtype; what no tape is to have is left out, and so are states
    that start at 0 where `Place.takes_null`. `lengths` None means that all are `steps`. With
    `states_only` the tape that is written or read has the states and nothing else.

    The target `cuda` runs in `place`, its default where that is None; arrays may be NumPy's, which
    are carried there and back. If all are on the device, the kernel is only started.
    """

    common: Common
    steps: int
    batch: int
    lengths: NDArray[np.int64] | None
    reverse: bool
    keep_tape: bool
    threads: int
    arrays: Mapping[Key, AnyArray | float]
    states_only: bool = False
    place: Place | None = None

    def argument(self, key: Key) -> AnyArray | float | None:
        """One of the call's arrays, or of those that all calls share."""
        found = self.arrays.get(key)
        return self.common.arrays.get(key) if found is None else found


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A kernel with all that it needs: `run` as often as wanted, but not twice at the same time.

    It works on memory that `kept` keeps.
    """

    run: Callable[[], object]
    kept: object


class Repeated(Protocol):
    """Calls of one kernel that differ in their arrays only, for who knows what those are.

    Which pointer of a struct is to which array is in `places`; `lengths` and `workspace` are
    pointers too, the latter to memory that `start` finds. Structs that no call uses are `spare`,
    with addresses of earlier ones.
    """

    places: Mapping[Key, int]
    lengths: int
    workspace: int
    spare: deque[Struct]

    def new(self) -> Struct:
        """A struct that has what the calls share."""

    def start(self, struct: Struct) -> Plan:
        """Start the kernel, which is done on return where it runs on the host.

        What the struct points to has to live until then; it is spare afterwards. Raises an error
        that says what failed, or that there is no memory.
        """


class Engine(Protocol):
    """The two kernels of a cell for one target and dtype; any thread may call at any time.

    States and their gradients are float32 where the dtype is bfloat16.
    """

    @property
    def target(self) -> str:
        """One of TARGETS."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type of arrays."""

    def place(self, device: object, stream: object) -> Place:
        """Where the kernels find their arrays: on `device`, on which they run in `stream`.

        None stands for the default. Raises UsageError for what the target does not have.
        """

    def forward(self, call: KernelCall) -> Plan:
        """Fill the states after the last step, the outputs and, if asked, the tape."""

    def backward(self, call: KernelCall) -> Plan:
        """Fill the gradients; `call.reverse` is the opposite of the forward call's."""

    def repeated(self, call: KernelCall, *, backward: bool) -> Repeated | None:
        """Calls that are `call` but for arrays that it lacks; None if there is no such short way.

        Its arrays are those that all of them read.
        """

    def packed_bytes(self, call: KernelCall) -> int:
        """How many bytes `pack` fills; `call` needs sizes only."""

    def pack(self, call: KernelCall) -> None:
        """Fill `call.common.packed` for the forward kernel; `call` needs no arrays of its own."""

    def prepare(self, call: KernelCall) -> Prepared:
        """The forward kernel bound to `call`, to be run again and again on the same arrays."""
