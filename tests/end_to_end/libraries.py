"""Many cells in one shared library, and engines that leave nothing of their memory clean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from grugen.driver import Compiled, bundle
from grugen.runtime import CellModule, CompiledEngine, Engine, KernelCall, Plan
from grugen.runtime.host_place import HOST
from grugen.runtime.memory import ALIGNMENT
from grugen.runtime.places import Place
from grugen.target.abi import WRITTEN
from grugen.toolchain.build import BuildOptions, SourceBundle, build

GUARD = 256
POISON = 0xFF
"""As bytes of a float this is NaN, as a whole number -1."""
STRICT = ("-Wshadow", "-Wconversion", "-Werror")
"""Whatever is compiled for tests is free of warnings."""
TOGETHER = 10

Engines = dict[tuple[str, str, str], Engine]
"""By cell, target and element type."""


class _GuardedWorkspace:
    """Fresh memory for each call: NaN inside, and known bytes behind."""

    def __init__(self) -> None:
        self._guard = np.empty(0, np.uint8)

    def borrow(self, what: str, size: int) -> SimpleNamespace:
        memory = np.full(size + 2 * ALIGNMENT + GUARD, POISON, np.uint8)
        aligned = memory[-memory.ctypes.data % ALIGNMENT :]
        # the workspace begins one alignment behind an address that is aligned already
        self._guard = aligned[ALIGNMENT + size :]
        address = aligned[ALIGNMENT:].ctypes.data
        return SimpleNamespace(address=address, memory=memory)

    def give_back(self, block: SimpleNamespace) -> None:
        assert (self._guard == POISON).all(), "written behind the end of the workspace"


class PoisonedEngine:
    """A compiled engine whose results and workspace are NaN before each call."""

    def __init__(self, engine: CompiledEngine) -> None:
        self.target = engine.target
        self.dtype = engine.dtype
        self._engine = engine
        workspace = _GuardedWorkspace()
        for kernel in (engine._forward, engine._backward, engine._backward_states):
            kernel.borrow = workspace.borrow  # type: ignore[method-assign, assignment]
            kernel.give_back = workspace.give_back  # type: ignore[method-assign, assignment]

    def place(self, device: object, stream: object) -> Place:
        return HOST

    def forward(self, call: KernelCall) -> Plan:
        self._poison(call)
        return self._engine.forward(call)

    def backward(self, call: KernelCall) -> Plan:
        self._poison(call)
        return self._engine.backward(call)

    def repeated(self, call: KernelCall, *, backward: bool) -> None:
        """Every call is to be seen here."""

    def _poison(self, call: KernelCall) -> None:
        for (group, _), array in call.arrays.items():
            if group in WRITTEN and isinstance(array, np.ndarray):
                array.fill(np.nan)


def build_together(
    cells: Sequence[Compiled],
    targets: Iterable[str],
    elements: Iterable[str],
    *flags: str,
    poison: bool = True,
) -> dict[str, CellModule]:
    """A module of each cell by name, its libraries shared with others; `flags` for the compiler.

    Without `poison` memory is as users have it, which is what sanitizers know.
    """
    kinds = [(target, element) for target in targets for element in elements]
    jobs = [
        (cells[start : start + TOGETHER], target, element, flags)
        for target, element in kinds
        for start in range(0, len(cells), TOGETHER)
    ]
    # two compilers at a time: as many as the smallest machine has cores
    with ThreadPoolExecutor(2) as pool:
        engines: Engines = {}
        for found in pool.map(_engines, jobs):
            engines.update(found)
    if poison:
        engines = {key: PoisonedEngine(engine) for key, engine in engines.items()}
    return {cell.spec.name: _module(cell, engines) for cell in cells}


def _engines(
    job: tuple[Sequence[Compiled], str, str, tuple[str, ...]],
) -> Engines:
    cells, target, element, flags = job
    bundles = {cell.spec.name: bundle(cell, target, element) for cell in cells}
    library = _library(bundles, BuildOptions(extra=flags))
    found: Engines = {}
    for cell in cells:
        sources = bundles[cell.spec.name]
        declarations = sources.text(f"{sources.stem}_abi.h")
        found[cell.spec.name, target, element] = CompiledEngine(
            library, declarations, sources.stem, cell.interface, target, np.dtype(element)
        )
    return found


def _library(bundles: Mapping[str, SourceBundle], options: BuildOptions) -> Path:
    """One translation unit that includes all main files: headers are read once."""
    mains = [found.files[0][0] for found in bundles.values()]
    text = "".join(f'#include "{main}"\n' for main in mains)
    files = {name: text for found in bundles.values() for name, text in found.files}
    return build(SourceBundle("together", (("together.c", text), *files.items())), options)


def _module(cell: Compiled, engines: Engines) -> CellModule:
    def engine(target: str, dtype: np.dtype[Any]) -> Engine:
        return engines[cell.spec.name, target, dtype.name]

    return CellModule(cell.interface, engine, "openmp")
