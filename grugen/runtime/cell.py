"""What a user holds: a cell with its sizes and parameters, and its snapshots.

The work is done by `calls` and `stepper`; here it gets its signatures.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from grugen.errors import UsageError
from grugen.runtime.backward import Grads
from grugen.runtime.binding import Binding, moved
from grugen.runtime.calls import Calls
from grugen.runtime.elements import name_of
from grugen.runtime.forward import Run, Tape
from grugen.runtime.host_place import HOST
from grugen.runtime.packing import pack
from grugen.runtime.params import Params
from grugen.runtime.stepper import Stepper
from grugen.runtime.threads import checked_threads, get_num_threads

_TAPES = (False, True, "gates", "states")


class Cell:
    """A recurrent cell with sizes and parameters; made by `CellModule.Cell`.

    Any thread may call `forward` and `backward` at any time; they release the interpreter lock.
    Parameters are read at each call, so they must not be written while one runs.
    """

    def __init__(self, binding: Binding, params: Params) -> None:
        self._binding = binding
        self._params = params
        # its arrays stay where they are
        self._calls = Calls(binding, params.held)

    @property
    def params(self) -> Params:
        """The parameters by name: arrays to read, and to write into; see `Params`."""
        return self._params

    @property
    def dims(self) -> Mapping[str, int]:
        """The sizes of the named dimensions."""
        return self._binding.settings.sizes

    @property
    def target(self) -> str:
        """`numpy`, `sequential`, `openmp` or `cuda`."""
        return self._binding.engine.target

    @property
    def device(self) -> str:
        """Where calls run: `cpu`, or `cuda:0` say."""
        return self._binding.place.device

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of arrays but masks and lengths; where it is bfloat16, states are float32."""
        return self._binding.dtype

    def to(self, device: str) -> Cell:
        """A cell of target `cuda` that runs on `device` and keeps parameters and constants there.

        They are copies of this cell's. Without it, they are on the host and are brought to the
        device by every call; `to("cpu")` gives a cell like that again. Raises UsageError for a
        device that the target does not have.
        """
        name = None if device == HOST.device else device
        place = self._binding.engine.place(name, None)
        home = HOST if name is None else place
        return Cell(moved(self._binding, place, home), self._params.copy(home))

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "a cell cannot be copied or pickled\n"
            "help: keep its parameters: {name: array.copy() for name, array in cell.params.items()}"
        )

    def __repr__(self) -> str:
        sizes = " ".join(f"{name}={size}" for name, size in self.dims.items())
        return f"<{self._binding.interface.name} cell {sizes} {name_of(self.dtype)} {self.target}>"

    def forward(
        self,
        /,
        *unnamed: object,
        states: Mapping[str, Any] | None = None,
        lengths: Any = None,
        reverse: bool = False,
        tape: Tape = False,
        threads: int | None = None,
        stream: int | None = None,
        **arrays: Any,
    ) -> Run:
        """Run over whole sequences: per-step inputs (T, B, ...) and static inputs (B, ...) by name.

        `states` (B, ...) are those before the first step; one that is left out starts as the spec
        says. Sequence b has `lengths[b]` steps (default: T); after them its states stay and its
        outputs are 0. `reverse` runs over them backwards in time. `tape` keeps what `backward`
        needs: True or "gates" keeps all that is costly to compute again, "states" keeps only the
        states that entered each step, a fraction of it, and lets `backward` compute the rest anew.
        Raises UsageError for what does not fit.

        With target `cuda`, arrays may be on the cell's device: what has `__cuda_array_interface__`
        or `__dlpack__`. If any is, results are DeviceArrays and work is only started, on `stream`
        (a handle of CUDA's; default: the default stream), unless arrays of the host have to be
        brought there; else results are NumPy's. `lengths` are always checked on the host.
        `threads` is for the other targets.
        """
        if tape is not False and not (isinstance(tape, (bool, str)) and tape in _TAPES):
            raise UsageError(f"tape is {tape!r}; True, False, 'gates' or 'states' is needed")
        return self._calls.forward(unnamed, arrays, states, lengths, reverse, tape, threads, stream)

    def backward(
        self,
        run: Run,
        *,
        outputs: Mapping[str, Any] | None = None,
        states: Mapping[str, Any] | None = None,
        threads: int | None = None,
        stream: int | None = None,
    ) -> Grads:
        """The gradients of a loss, from its gradients with respect to the outputs and last states.

        `run` is what `forward(..., tape=True)` returned; its inputs and the parameters must be
        unchanged. `outputs` (T, B, ...) and `states` (B, ...) that are left out count as 0. May be
        called again. Raises UsageError for what does not fit. `stream` is that of the run by
        default.
        """
        return self._calls.backward(run, outputs, states, threads, stream)

    def freeze(self) -> Frozen:
        """A snapshot that later changes of the parameters do not reach; it keeps no tapes."""
        return Frozen(self._binding, self._params)

    def stepper(self, batch: int = 1, *, threads: int | None = None) -> Stepper:
        """A stream of `batch` sequences, with a snapshot of the parameters."""
        try:
            rows = 0 if isinstance(batch, bool) else operator.index(batch)
        except TypeError:
            rows = 0
        if rows < 1:
            raise UsageError(f"batch is {batch!r}; a whole number of at least 1 is needed")
        count = get_num_threads() if threads is None else checked_threads(threads)
        return Stepper(self._binding, self._params, rows, count)


class Frozen:
    """A cell with a snapshot of its parameters, for forward passes only."""

    def __init__(self, binding: Binding, params: Params) -> None:
        self._binding = binding
        self._source = params
        # where the kernel runs: it is not to be brought there again
        self._params = params.copy(binding.place)
        self._packed = pack(binding, self._params.held)
        self._calls = Calls(binding, self._params.held, self._packed)

    def refresh(self) -> None:
        """Take the cell's parameters as they are now; not while another thread calls `forward`."""
        self._params.update(self._source)
        pack(self._binding, self._params.held, self._packed)

    def forward(
        self,
        /,
        *unnamed: object,
        states: Mapping[str, Any] | None = None,
        lengths: Any = None,
        reverse: bool = False,
        threads: int | None = None,
        stream: int | None = None,
        **arrays: Any,
    ) -> Run:
        """As `Cell.forward`, without a tape."""
        if "tape" in arrays:
            raise UsageError(
                "a frozen cell keeps no tape\nhelp: call forward of the cell that it was made from"
            )
        return self._calls.forward(
            unnamed, arrays, states, lengths, reverse, False, threads, stream
        )
