"""What an engine is given, and what it gives back."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

from grugen.assets import spec_path
from grugen.bench.draw import Data
from grugen.bench.reference import Results
from grugen.spec import read_spec
from grugen.spec.model import CellSpec


class NotPossible(Exception):
    """An engine that cannot run this cell; the text says why, as part of a sentence."""


@dataclass(frozen=True)
class Job:
    """One cell at one shape, to be run again and again on the same numbers."""

    spec: str
    data: Data
    train: bool
    threads: int

    @cached_property
    def cell(self) -> CellSpec:
        """The spec as it was read."""
        return read_spec(self.spec)

    def loop(self, framework: str) -> ModuleType:
        """The cell as someone wrote it by hand in a framework: `bench/NAME_FRAMEWORK.py`.

        The file lies in the folder `bench` beside the spec; `specs/bench/README.md` says what it
        has to hold.
        """
        spec = spec_path(self.spec)
        name = f"{spec.stem}_{framework}"
        return load_module(spec.parent / "bench" / f"{name}.py", name)


class Runner(Protocol):
    """A cell that is built."""

    def run(self) -> Any:
        """Do all of the work once; what is returned is kept only for `results`."""

    def results(self, last: Any) -> Results:
        """The arrays of a run under the names of `grugen.bench.reference`."""


@runtime_checkable
class Clocked(Protocol):
    """A runner with a clock of its own: that of a device, say."""

    def seconds(self, calls: int) -> float:
        """The seconds of one call, as the mean of `calls` in a row."""


def load_module(path: Path, name: str) -> ModuleType:
    """A Python file that is no part of a package."""
    found = spec_from_file_location(name, path)
    if not path.is_file() or found is None or found.loader is None:
        raise NotPossible(f"there is no file bench/{path.name} beside the spec")
    module = module_from_spec(found)
    # compilers of frameworks look for the source of a function through its module
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module
