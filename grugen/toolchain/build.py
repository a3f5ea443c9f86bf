"""C sources become a shared library in the cache, once for equal sources, compiler, flags and CPU.

Any number of processes may ask for the same library at the same time. Nothing is loaded here.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grugen.errors import InternalError, ToolchainError
from grugen.toolchain.cache import Cache, cache_of, put_in_place
from grugen.toolchain.command import Finished, run_command
from grugen.toolchain.compilers import Compiler, find_compiler, first_lines
from grugen.toolchain.cpu import cpu_features

BUILD_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class SourceBundle:
    """(name, text) of the file that is compiled, then of those that it includes."""

    stem: str
    files: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        for name, _ in self.files:
            if not name or Path(name).name != name:
                raise InternalError(f"'{name}' is no plain name of a source file")

    def text(self, name: str) -> str:
        """The text of the file called `name`."""
        return dict(self.files)[name]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """`march` is `native` or what `-march=` takes; `extra` flags come last."""

    march: str = "native"
    extra: tuple[str, ...] = ()


DEFAULTS = BuildOptions()


@dataclass(frozen=True, slots=True)
class _Job:
    """A bundle with all that decides what its library is like."""

    bundle: SourceBundle
    compiler: Compiler
    flags: tuple[str, ...]
    cpu: str

    @property
    def library(self) -> str:
        return f"{self.bundle.stem}.so"

    @property
    def command(self) -> tuple[str, ...]:
        """Run in the folder of the sources, so it names no other folder."""
        main = self.bundle.files[0][0]
        return (*self.compiler.command, *self.flags, main, "-o", self.library, "-lm")

    @property
    def name(self) -> str:
        """The stem and a hash of everything."""
        main, *others = self.bundle.files
        parts = [*self.compiler.command, self.compiler.version, *self.flags, self.cpu]
        for file_name, text in (main, *sorted(others)):
            parts += [file_name, text]
        # a length before each part, so that no two lists of parts look alike
        data = "".join(f"{len(part)} {part}\n" for part in parts)
        return f"{self.bundle.stem}-{hashlib.sha256(data.encode()).hexdigest()[:32]}"


def build(
    bundle: SourceBundle,
    options: BuildOptions = DEFAULTS,
    *,
    afresh: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> Path:
    """The path of the library made from `bundle`, compiled now unless the cache has it whole.

    Beside it lie its sources and `build.txt` with the command, the compiler and what it said.
    `afresh` compiles in any case. Raises ToolchainError: no compiler, a compiler that failed, a
    cache that cannot be written.
    """
    cache = cache_of(environment)
    compiler = find_compiler(cache, environment)
    # a library for one named instruction set is the same on every machine
    cpu = cpu_features() if options.march == "native" else ""
    job = _Job(bundle, compiler, (*compiler.flags(options.march), *options.extra), cpu)
    place = cache.libraries / job.name
    if not afresh and _is_whole(place, job.library):
        return place / job.library
    with cache.writing(), cache.workplace(job.name) as folder:
        # another process may have been first
        if afresh or not _is_whole(place, job.library):
            _compile(job, folder, cache, environment)
            put_in_place(folder, place)
    return place / job.library


def _is_whole(folder: Path, library: str) -> bool:
    """Whether the library is there, byte for byte as it was built."""
    try:
        wanted = (folder / f"{library}.sha256").read_text(encoding="ascii")
        return hashlib.sha256((folder / library).read_bytes()).hexdigest() == wanted
    except (OSError, ValueError):
        return False


def _compile(job: _Job, folder: Path, cache: Cache, environment: Mapping[str, str]) -> None:
    """Fill `folder` with sources, log, library and its hash."""
    for name, text in job.bundle.files:
        (folder / name).write_bytes(text.encode())
    try:
        finished = run_command(job.command, folder, BUILD_SECONDS, environment)
    except OSError as error:
        finished = Finished(127, f"'{job.command[0]}' cannot be run: {error.strerror or error}\n")
    (folder / "build.txt").write_text(_log(job, finished), encoding="utf-8")
    if finished.status != 0:
        kept = cache.failed / job.name
        put_in_place(folder, kept)
        raise ToolchainError(_failure(job, finished, kept))
    library = folder / job.library
    if not library.is_file():
        raise ToolchainError(
            f"the C compiler made no library and reported no error\ncommand: {_shown(job, folder)}"
        )
    digest = hashlib.sha256(library.read_bytes()).hexdigest()
    (folder / f"{job.library}.sha256").write_text(digest, encoding="ascii")


def _shown(job: _Job, folder: Path) -> str:
    return f"cd {shlex.quote(str(folder))} && {shlex.join(job.command)}"


def _log(job: _Job, finished: Finished) -> str:
    return (
        f"compiler: {job.compiler.version}\n"
        f"command: {shlex.join(job.command)}\n"
        f"ending: {finished.ending}\n"
        f"{job.cpu}\n\n{finished.text}"
    )


def _failure(job: _Job, finished: Finished, kept: Path) -> str:
    said = first_lines(finished.text, f" in {kept / 'build.txt'}")
    lines = [
        f"the C compiler failed on {job.bundle.files[0][0]} ({finished.ending})",
        f"command: {_shown(job, kept)}",
        f"compiler: {job.compiler.version}",
        *([said] if said else []),
        f"source: {kept / job.bundle.files[0][0]}",
    ]
    return "\n".join(lines)
