"""The folder that keeps what was built: where it is, who may write a part of it, what is left over.

Every part is written in a folder of its own under a lock and then moved into place. Nothing is
ever evicted; deleting the whole folder is always safe.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grugen.errors import ToolchainError


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache folder; it need not exist yet."""

    folder: Path

    @property
    def libraries(self) -> Path:
        """Finished builds, a folder each."""
        return self.folder / "libraries"

    @property
    def failed(self) -> Path:
        """The sources and the log of builds that failed, a folder each."""
        return self.folder / "failed"

    @property
    def compilers(self) -> Path:
        """What is known of each compiler, a file each."""
        return self.folder / "compilers"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn a failure to write, in the block, into a ToolchainError that names the folder."""
        try:
            yield
        except OSError as error:
            raise ToolchainError(
                f"cannot write to the cache folder '{self.folder}': {error.strerror or error}\n"
                "help: set GRUGEN_CACHE to a folder that can be written"
            ) from error

    @contextmanager
    def workplace(self, name: str) -> Iterator[Path]:
        """A new empty folder to make `name` in, held by one process at a time; gone afterwards.

        What killed processes left behind, for this name or for others, is removed on entry.
        """
        unfinished = self.folder / "unfinished"
        unfinished.mkdir(parents=True, exist_ok=True)
        with self._locked(name, wait=True):
            for left_over in unfinished.iterdir():
                owner = left_over.name.rpartition(".")[0]
                if owner == name:
                    shutil.rmtree(left_over, ignore_errors=True)
                    continue
                with self._locked(owner, wait=False) as is_ours:
                    if is_ours:
                        shutil.rmtree(left_over, ignore_errors=True)
            folder = unfinished / f"{name}.{secrets.token_hex(4)}"
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _locked(self, name: str, wait: bool) -> Iterator[bool]:
        """Hold the lock called `name`; without `wait`, say whether it could be had at once."""
        locks = self.folder / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        # the file stays: removing it would let two processes lock two files of the same name
        descriptor = os.open(locks / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            yield False
            return
        except BaseException:
            os.close(descriptor)
            raise
        try:
            yield True
        finally:
            os.close(descriptor)


def cache_of(environment: Mapping[str, str]) -> Cache:
    """`$GRUGEN_CACHE`, else `$XDG_CACHE_HOME/grugen`, else `~/.cache/grugen`."""
    named = environment.get("GRUGEN_CACHE", "")
    if named:
        return Cache(Path(named).absolute())
    shared = environment.get("XDG_CACHE_HOME", "")
    # the XDG specification tells to ignore a relative path
    if shared and Path(shared).is_absolute():
        return Cache(Path(shared) / "grugen")
    try:
        return Cache(Path.home() / ".cache" / "grugen")
    except RuntimeError as error:
        raise ToolchainError(
            "there is no home folder to keep built libraries in\n"
            "help: set GRUGEN_CACHE to a folder that can be written"
        ) from error


def put_in_place(made: Path, place: Path) -> None:
    """Move the folder `made` to `place` in one step; what stood there is removed."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        # a folder that is not empty cannot be replaced, so the old one is moved away first
        old = made.with_name(f"{made.name}-old")
        os.replace(place, old)
        os.replace(made, place)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.replace(made, place)
