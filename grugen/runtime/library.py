"""A built library becomes an engine: cffi reads its declarations, calls fill its C structs.

The struct's members are found by the groups and fields of the interface's signatures. Nothing is
checked or computed here, and the interpreter lock is free while a kernel runs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from sys import getrefcount
from typing import Any

import cffi
import numpy as np
from _cffi_backend import cast  # without the look-up of types that ffi's own does

from grugen.errors import InternalError, ToolchainError
from grugen.runtime.engine import KernelCall, Key, Plan, Prepared, Repeated, Struct
from grugen.runtime.host_place import only_host
from grugen.runtime.loading import load_built, open_library
from grugen.runtime.memory import POOL, borrow, give_back, workspace
from grugen.runtime.places import Place
from grugen.runtime.pool import OWN_REFERENCES, Lease, block_size
from grugen.runtime.structs import VOID, CallForm, pointer_to
from grugen.runtime.threads import usable_threads
from grugen.target.abi import Interface, Signature
from grugen.toolchain.build import DEFAULTS, BuildOptions, SourceBundle
from grugen.toolchain.cpu import instructions


class _Kernel:
    """One of a library's two kernels, with what all its calls have in common."""

    # found through the kernel, so that a test may put a guard behind the memory of `call`
    borrow = staticmethod(borrow)
    give_back = staticmethod(give_back)

    def __init__(
        self, ffi: Any, library: Any, name: str, signature: Signature, dims: tuple[str, ...]
    ) -> None:
        self._ffi = ffi
        self.form = CallForm(ffi, name, signature, dims)
        self.run: Callable[[Any], int] = getattr(library, name)
        self.workspace_size: Callable[[Any], int] = getattr(library, f"{name}_workspace")
        self.packed_bytes: Callable[[Any], int] = getattr(library, f"{name}_packed_bytes")
        self.pack: Callable[[Any], None] = getattr(library, f"{name}_pack")
        self._plan: Callable[[Any], Any] = getattr(library, f"{name}_plan")

    def plan(self, struct: Any) -> str:
        """The word for how a call runs."""
        return str(self._ffi.string(self._plan(struct)).decode())

    def filled(self, call: KernelCall) -> Any:
        """The C struct for `call`, but for its workspace; it points into the call's arrays."""
        struct = self.form.filled(call)
        struct.threads = usable_threads(call.threads)
        _, pointers, _ = self.form.views(struct)
        if call.lengths is not None:
            pointers[self.form.lengths] = pointer_to(VOID, call.lengths)
        for key, place in self.form.places.items():
            array: Any = call.argument(key)
            if array is not None:
                pointers[place] = pointer_to(VOID, array)
        if call.common.packed is not None:
            struct.packed = self._ffi.from_buffer(call.common.packed)
        return struct

    def with_workspace(self, struct: Any) -> Lease:
        """Memory for the struct's workspace, which it must outlive."""
        memory = workspace("a kernel's workspace", self.workspace_size(struct))
        struct.workspace = self._ffi.from_buffer(memory)
        return memory

    def call(self, call: KernelCall) -> Plan:
        """Run once."""
        struct = self.filled(call)
        word, size = self.plan(struct), self.workspace_size(struct)
        block = self.borrow("a kernel's workspace", size)
        address: Any = block.address
        struct.workspace = cast(VOID, address)
        granted = self.run(struct)
        self.give_back(block)
        return Plan(word, granted, size)


class _Repeated:
    """See `Repeated`; what the kernel does with its memory depends on no array."""

    __slots__ = (
        "_bytes",
        "_call",
        "_kernel",
        "_plans",
        "_shelf",
        "_word",
        "lengths",
        "places",
        "spare",
        "workspace",
    )

    def __init__(self, kernel: _Kernel, call: KernelCall) -> None:
        """Calls of `kernel` that are `call` but for arrays that it lacks."""
        struct, form = kernel.filled(call), kernel.form
        self._kernel = kernel
        self._call = call
        self._bytes = kernel.workspace_size(struct)
        self._shelf = POOL.shelf(block_size(self._bytes))
        self._word = kernel.plan(struct)
        # those of calls that got so many threads
        self._plans: dict[int, Plan] = {}
        self.places: Mapping[Key, int] = form.places
        self.lengths = form.lengths
        self.workspace = form.workspace
        self.spare: deque[Struct] = deque()

    def new(self) -> Struct:
        """See `Repeated`."""
        return self._kernel.form.views(self._kernel.filled(self._call))

    def start(self, struct: Struct) -> Plan:
        """See `Repeated`. Raises UsageError where there is no memory."""
        whole, _, addresses = struct
        shelf = self._shelf
        # as `Pool.take` and `give_back` do, without a call of them
        try:
            block = shelf.pop()
        except IndexError:
            block = borrow("a kernel's workspace", self._bytes)
        if getrefcount(block.mapping) > OWN_REFERENCES:
            block = borrow("a kernel's workspace", self._bytes)
        addresses[self.workspace] = block.address
        # found through the kernel, so that a test may put another one there
        granted = self._kernel.run(whole)
        if block.returned:
            shelf.append(block)
        else:
            give_back(block)
        self.spare.append(struct)
        plan = self._plans.get(granted)
        if plan is None:
            plan = self._plans[granted] = Plan(self._word, granted, self._bytes)
        return plan


class CompiledEngine:
    """The kernels of one shared library."""

    def __init__(
        self,
        library: Path,
        declarations: str,
        stem: str,
        interface: Interface,
        target: str,
        dtype: np.dtype[Any],
    ) -> None:
        """`declarations` is C without preprocessor lines. Raises OSError if it cannot be loaded.

        Raises ToolchainError if the CPU lacks what it needs; nothing in it has run by then.
        """
        self.target = target
        self.dtype = dtype
        ffi = cffi.FFI()
        ffi.cdef(declarations)
        # kept: the functions are its attributes
        self._library = open_library(ffi, library)
        # data, so that nothing of the library runs before it is known that it can
        needed: Any = ffi.string(getattr(self._library, f"{stem}_needs"))
        _check_instructions(library, needed.decode().split())
        signatures = {
            "forward": interface.forward,
            "backward": interface.backward,
            "backward_states": interface.backward_states,
        }
        try:
            kernels = {
                name: _Kernel(ffi, self._library, f"{stem}_{name}", signature, interface.dims)
                for name, signature in signatures.items()
                if signature is not None
            }
        except (AttributeError, KeyError) as error:
            raise InternalError(f"{library} does not fit its interface: {error}") from error
        self._forward, self._backward = kernels["forward"], kernels["backward"]
        self._backward_states = kernels.get("backward_states", self._backward)

    def place(self, device: object, stream: object) -> Place:
        """See `Engine`."""
        return only_host(self.target, device, stream)

    def forward(self, call: KernelCall) -> Plan:
        """See `Engine`."""
        return self._forward.call(call)

    def backward(self, call: KernelCall) -> Plan:
        """See `Engine`."""
        return self._of(call).call(call)

    def _of(self, call: KernelCall) -> _Kernel:
        """The backward kernel of a tape like the call's."""
        return self._backward_states if call.states_only else self._backward

    def repeated(self, call: KernelCall, *, backward: bool) -> Repeated:
        """See `Engine`."""
        return _Repeated(self._of(call) if backward else self._forward, call)

    def packed_bytes(self, call: KernelCall) -> int:
        """See `Engine`."""
        return self._forward.packed_bytes(self._forward.filled(call))

    def pack(self, call: KernelCall) -> None:
        """See `Engine`."""
        self._forward.pack(self._forward.filled(call))

    def prepare(self, call: KernelCall) -> Prepared:
        """See `Engine`."""
        kernel = self._forward
        struct = kernel.filled(call)
        memory = kernel.with_workspace(struct)
        # a partial adds next to nothing to the call of the C function
        return Prepared(partial(kernel.run, struct), (call, memory))


def _check_instructions(library: Path, needed: list[str]) -> None:
    """Raise ToolchainError for a library that this CPU would stop with an illegal instruction."""
    present = instructions()
    missing = [word for word in needed if present is not None and word not in present]
    if missing:
        raise ToolchainError(
            f"the library '{library}' needs instructions that this CPU lacks: {', '.join(missing)}"
            "\nhelp: build it here with march='native', or for any CPU of its kind with "
            "march='baseline' or march='levels'"
        )


def compiled_engine(
    bundle: SourceBundle,
    interface: Interface,
    target: str,
    dtype: np.dtype[Any],
    options: BuildOptions = DEFAULTS,
) -> CompiledEngine:
    """The engine of `bundle`, built if the cache lacks it; `STEM_abi.h` holds the declarations.

    A library that cannot be loaded is built once more. Raises ToolchainError.
    """
    declarations = bundle.text(f"{bundle.stem}_abi.h")

    def load(library: Path) -> CompiledEngine:
        return CompiledEngine(library, declarations, bundle.stem, interface, target, dtype)

    return load_built(bundle, options, load)
