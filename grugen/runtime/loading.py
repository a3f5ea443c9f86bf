"""Loads a shared library for as long as the process lives, building it when that is needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import cffi

from grugen.errors import ToolchainError
from grugen.toolchain.build import BuildOptions, SourceBundle, build

Loaded = TypeVar("Loaded")


class Build(Protocol):
    """Makes a library of sources; `afresh` even if there is one."""

    def __call__(
        self, bundle: SourceBundle, options: BuildOptions, *, afresh: bool = False
    ) -> Path:
        """The path of the library."""


def open_library(ffi: cffi.FFI, library: Path) -> Any:
    """The library, never to be unloaded. Raises OSError if it cannot be loaded.

    Closing the last library that uses OpenMP would unload OpenMP itself under its own threads,
    which wait for more work, and end the process.
    """
    return ffi.dlopen(str(library), os.RTLD_NOW | getattr(os, "RTLD_NODELETE", 0))


def load_built(
    bundle: SourceBundle,
    options: BuildOptions,
    load: Callable[[Path], Loaded],
    build_library: Build | None = None,
) -> Loaded:
    """What `load` makes of the bundle's library, which is built if the cache lacks it.

    A library that cannot be loaded is built once more. Raises ToolchainError.
    """
    make = build if build_library is None else build_library
    try:
        return load(make(bundle, options))
    except OSError:
        # such as a cache folder that came from a machine with another C library
        library = make(bundle, options, afresh=True)
    try:
        return load(library)
    except OSError as error:
        raise ToolchainError(f"a library was built but cannot be loaded: {error}") from error
