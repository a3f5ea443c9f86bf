"""Loads a shared library for as long as the process lives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cffi


def open_library(ffi: cffi.FFI, library: Path) -> Any:
    """The library, never to be unloaded. Raises OSError if it cannot be loaded.

    Closing the last library that uses OpenMP would unload OpenMP itself under its own threads,
    which wait for more work, and end the process.
    """
    return ffi.dlopen(str(library), os.RTLD_NOW | getattr(os, "RTLD_NODELETE", 0))
