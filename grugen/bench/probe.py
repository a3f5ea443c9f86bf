"""An instrumented build of a cell, and the clocks that are in it.

Built with GRUGEN_PROFILE=1 a library has, for each kernel SYMBOL such as `gru_f32_forward`,
functions that name its components and return the seconds that all threads together spent in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cffi
import numpy as np

from grugen.driver import Compiled, bundle
from grugen.errors import UsageError
from grugen.runtime import CellModule, compiled_engine
from grugen.runtime.loading import open_library
from grugen.toolchain.build import DEFAULTS, BuildOptions, build

INSTRUMENTED = BuildOptions(extra=("-DGRUGEN_PROFILE=1",))

DECLARATIONS = """
int32_t {symbol}_components(void);
const char *{symbol}_component_name(int32_t i);
void {symbol}_component_seconds(double *seconds, int32_t reset);
"""


class Probe:
    """The clocks of one kernel in a library that is loaded."""

    def __init__(self, library: Path, symbol: str) -> None:
        """Raises UsageError where the library has no clocks."""
        self._ffi = cffi.FFI()
        self._ffi.cdef(DECLARATIONS.format(symbol=symbol))
        self._library = open_library(self._ffi, library)
        try:
            count = self._function(symbol, "components")()
            self._seconds = self._function(symbol, "component_seconds")
            name = self._function(symbol, "component_name")
        except AttributeError:
            raise UsageError(f"the code of '{symbol}' has no clocks in it") from None
        string: Any = self._ffi.string
        self.names: tuple[str, ...] = tuple(string(name(i)).decode() for i in range(count))

    def _function(self, symbol: str, what: str) -> Any:
        return getattr(self._library, f"{symbol}_{what}")

    def reset(self) -> None:
        """Set every clock to 0."""
        self._read(reset=True)

    def seconds(self) -> Mapping[str, float]:
        """Thread seconds of each component since the last reset."""
        return dict(zip(self.names, self._read(reset=False), strict=True))

    def _read(self, *, reset: bool) -> list[float]:
        # one more than needed: a library may have no component at all
        found = self._ffi.new("double[]", len(self.names) + 1)
        self._seconds(found, int(reset))
        return [float(found[i]) for i in range(len(self.names))]


@dataclass(frozen=True, slots=True)
class Build:
    """A cell of target `openmp`, float32, and where its library is."""

    module: CellModule
    library: Path
    stem: str


def build_of(cell: Compiled, *, instrumented: bool) -> Build:
    """The plain build, or the one with clocks."""
    options = INSTRUMENTED if instrumented else DEFAULTS
    sources = bundle(cell, "openmp", "float32")
    library = build(sources, options)
    engine = compiled_engine(sources, cell.interface, "openmp", np.dtype("float32"), options)
    return Build(CellModule(cell.interface, lambda *_: engine, "openmp"), library, sources.stem)
