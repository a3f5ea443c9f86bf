"""grugen: recurrent cells from gate equations to fast C, forward and backward."""

from grugen.driver import load
from grugen.errors import (
    DeviceError,
    GrugenError,
    SpecError,
    SpecFileError,
    ToolchainError,
    UsageError,
)
from grugen.runtime import CellModule, DeviceArray, get_num_threads, release_memory, set_num_threads

__version__ = "0.1.0"

__all__ = [
    "CellModule",
    "DeviceArray",
    "DeviceError",
    "GrugenError",
    "SpecError",
    "SpecFileError",
    "ToolchainError",
    "UsageError",
    "get_num_threads",
    "load",
    "release_memory",
    "set_num_threads",
]
