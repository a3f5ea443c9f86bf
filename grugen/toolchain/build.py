"""Sources become a shared library in the cache, once for equal sources, compiler, flags and CPU.

Any number of processes may ask for the same library at the same time. Nothing is loaded here.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from grugen.errors import ToolchainError
from grugen.toolchain.cache import Cache, cache_of, put_in_place
from grugen.toolchain.command import Finished, run_command
from grugen.toolchain.recipes import Recipe, recipe_of
from grugen.toolchain.records import first_lines
from grugen.toolchain.sources import DEFAULTS, BuildOptions, SourceBundle

__all__ = ["DEFAULTS", "BuildOptions", "SourceBundle", "build"]

BUILD_SECONDS = 900.0


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
    recipe = recipe_of(bundle, options, cache, environment)
    place = cache.libraries / recipe.name
    if not afresh and _is_whole(place, recipe.library):
        return place / recipe.library
    with cache.writing(), cache.workplace(recipe.name) as folder:
        # another process may have been first
        if afresh or not _is_whole(place, recipe.library):
            _compile(recipe, folder, cache, environment)
            put_in_place(folder, place)
    return place / recipe.library


def _is_whole(folder: Path, library: str) -> bool:
    """Whether the library is there, byte for byte as it was built."""
    try:
        wanted = (folder / f"{library}.sha256").read_text(encoding="ascii")
        return hashlib.sha256((folder / library).read_bytes()).hexdigest() == wanted
    except (OSError, ValueError):
        return False


def _compile(recipe: Recipe, folder: Path, cache: Cache, environment: Mapping[str, str]) -> None:
    """Fill `folder` with sources, log, library and its hash."""
    for name, text in recipe.bundle.files:
        (folder / name).write_bytes(text.encode())
    ran: list[tuple[tuple[str, ...], Finished]] = []
    for command in recipe.commands:
        try:
            finished = run_command(command, folder, BUILD_SECONDS, environment)
        except OSError as error:
            finished = Finished(127, f"'{command[0]}' cannot be run: {error.strerror or error}\n")
        ran.append((command, finished))
        (folder / "build.txt").write_text(_log(recipe, ran), encoding="utf-8")
        if finished.status != 0:
            kept = cache.failed / recipe.name
            put_in_place(folder, kept)
            raise ToolchainError(_failure(recipe, command, finished, kept))
    library = folder / recipe.library
    if not library.is_file():
        shown = _shown(recipe.commands[-1], folder)
        raise ToolchainError(
            f"the {recipe.what} made no library and reported no error\ncommand: {shown}"
        )
    digest = hashlib.sha256(library.read_bytes()).hexdigest()
    (folder / f"{recipe.library}.sha256").write_text(digest, encoding="ascii")


def _shown(command: tuple[str, ...], folder: Path) -> str:
    return f"cd {shlex.quote(str(folder))} && {shlex.join(command)}"


def _log(recipe: Recipe, ran: Sequence[tuple[tuple[str, ...], Finished]]) -> str:
    lines = [f"compiler: {recipe.version}"]
    for command, finished in ran:
        lines += [f"command: {shlex.join(command)}", f"ending: {finished.ending}"]
    return "\n".join([*lines, *recipe.facts, "", *(finished.text for _, finished in ran)])


def _failure(recipe: Recipe, command: tuple[str, ...], finished: Finished, kept: Path) -> str:
    said = first_lines(finished.text, f" in {kept / 'build.txt'}")
    lines = [
        f"the {recipe.what} failed on {recipe.bundle.main} ({finished.ending})",
        f"command: {_shown(command, kept)}",
        f"compiler: {recipe.version}",
        *([said] if said else []),
        f"source: {kept / recipe.bundle.main}",
    ]
    return "\n".join(lines)
