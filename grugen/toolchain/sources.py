"""What a library is built from: its sources and the options of a build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grugen.errors import InternalError
from grugen.toolchain.march import NATIVE

CUDA_SUFFIX = ".cu"


@dataclass(frozen=True, slots=True)
class SourceBundle:
    """(name, text) of the file that is compiled, then of those that it includes."""

    stem: str
    files: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        for name, _ in self.files:
            if not name or Path(name).name != name:
                raise InternalError(f"'{name}' is no plain name of a source file")

    @property
    def main(self) -> str:
        """The name of the file that is compiled."""
        return self.files[0][0]

    @property
    def is_cuda(self) -> bool:
        """Whether CUDA's compiler builds it."""
        return self.main.endswith(CUDA_SUFFIX)

    def text(self, name: str) -> str:
        """The text of the file called `name`."""
        return dict(self.files)[name]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """`march` (of `grugen.toolchain.march`) is for C, `arch` (of `grugen.toolchain.arch`) for CUDA.

    `extra` flags come last.
    """

    march: str = NATIVE
    extra: tuple[str, ...] = ()
    arch: str = NATIVE


DEFAULTS = BuildOptions()
