"""C sources become a shared library in the cache, once for equal sources, compiler, flags and CPU.

Any number of processes may ask for the same library at the same time. Nothing is loaded here.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grugen.errors import InternalError, ToolchainError
from grugen.toolchain.cache import Cache, cache_of, put_in_place
from grugen.toolchain.command import Finished, run_command
from grugen.toolchain.compilers import Compiler, find_compiler, first_lines
from grugen.toolchain.cpu import cpu_features
from grugen.toolchain.march import BASELINE, LEVELS, NATIVE, levels_of, machine

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
    """`march` is one of `grugen.toolchain.march`; `extra` flags come last."""

    march: str = NATIVE
    extra: tuple[str, ...] = ()


DEFAULTS = BuildOptions()


@dataclass(frozen=True, slots=True)
class _Job:
    """A bundle with all that decides what its library is like.

    `levels` are the endings of names and the instruction sets of a library of several.
    """

    bundle: SourceBundle
    compiler: Compiler
    options: BuildOptions
    levels: tuple[tuple[str, str], ...]
    machine: str
    cpu: str

    @property
    def library(self) -> str:
        return f"{self.bundle.stem}.so"

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """Run in the folder of the sources, so they name no other folder."""
        main, stem = self.bundle.files[0][0], self.bundle.stem
        if not self.levels:
            march = BASELINE if self.options.march == LEVELS else self.options.march
            return ((*self._call(march), main, "-o", self.library, "-lm"),)
        objects = tuple(f"{stem}{ending}.o" for ending, _ in self.levels)
        compiled = (
            (*self._call(march, "-shared"), f"-DGRUGEN_LEVEL={ending}", "-c", main, "-o", made)
            for (ending, march), made in zip(self.levels, objects, strict=True)
        )
        # what chooses among the levels must run on the lowest
        chooser = (*self._call(self.levels[0][1]), f"{stem}_levels.c", *objects)
        return (*compiled, (*chooser, "-o", self.library, "-lm"))

    def _call(self, march: str, without: str = "") -> tuple[str, ...]:
        flags = (flag for flag in self.compiler.flags(march) if flag != without)
        return (*self.compiler.command, *flags, *self.options.extra)

    @property
    def name(self) -> str:
        """The stem and a hash of everything."""
        main, *others = self.bundle.files
        parts = [word for command in self.commands for word in (*command, "\n")]
        parts += [self.compiler.version, self.machine, self.cpu]
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
    # a library for a named instruction set is the same on every machine of its architecture
    cpu = cpu_features() if options.march == NATIVE else ""
    levels = levels_of(machine()) if options.march == LEVELS else ()
    job = _Job(bundle, compiler, options, levels, machine(), cpu)
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
    ran: list[tuple[tuple[str, ...], Finished]] = []
    for command in job.commands:
        try:
            finished = run_command(command, folder, BUILD_SECONDS, environment)
        except OSError as error:
            finished = Finished(127, f"'{command[0]}' cannot be run: {error.strerror or error}\n")
        ran.append((command, finished))
        (folder / "build.txt").write_text(_log(job, ran), encoding="utf-8")
        if finished.status != 0:
            kept = cache.failed / job.name
            put_in_place(folder, kept)
            raise ToolchainError(_failure(job, command, finished, kept))
    library = folder / job.library
    if not library.is_file():
        shown = _shown(job.commands[-1], folder)
        raise ToolchainError(
            f"the C compiler made no library and reported no error\ncommand: {shown}"
        )
    digest = hashlib.sha256(library.read_bytes()).hexdigest()
    (folder / f"{job.library}.sha256").write_text(digest, encoding="ascii")


def _shown(command: tuple[str, ...], folder: Path) -> str:
    return f"cd {shlex.quote(str(folder))} && {shlex.join(command)}"


def _log(job: _Job, ran: Sequence[tuple[tuple[str, ...], Finished]]) -> str:
    lines = [f"compiler: {job.compiler.version}"]
    for command, finished in ran:
        lines += [f"command: {shlex.join(command)}", f"ending: {finished.ending}"]
    return "\n".join([*lines, job.cpu, "", *(finished.text for _, finished in ran)])


def _failure(job: _Job, command: tuple[str, ...], finished: Finished, kept: Path) -> str:
    said = first_lines(finished.text, f" in {kept / 'build.txt'}")
    lines = [
        f"the C compiler failed on {job.bundle.files[0][0]} ({finished.ending})",
        f"command: {_shown(command, kept)}",
        f"compiler: {job.compiler.version}",
        *([said] if said else []),
        f"source: {kept / job.bundle.files[0][0]}",
    ]
    return "\n".join(lines)
