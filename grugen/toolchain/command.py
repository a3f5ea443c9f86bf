"""Runs a compiler and returns all that it said, without a shell and in a clean environment.

It judges nothing: what an exit status means is for the caller.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# these change what a compiler reads or writes, and are no part of a library's key
_DROPPED = (
    *("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH"),
    *("DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES", "LANGUAGE"),
)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended: its exit status (None: stopped after its time) and all its output."""

    status: int | None
    text: str

    @property
    def ending(self) -> str:
        """`exit status 1`, `killed by signal 9`, `stopped: it took too long`."""
        if self.status is None:
            return "stopped: it took too long"
        if self.status < 0:
            return f"killed by signal {-self.status}"
        return f"exit status {self.status}"


def run_command(
    command: Sequence[str], folder: Path, seconds: float, environment: Mapping[str, str]
) -> Finished:
    """Run `command` in `folder`, with its temporary files there, for at most `seconds`.

    Raises OSError where the program cannot be started.
    """
    kept = {name: value for name, value in environment.items() if name not in _DROPPED}
    kept |= {"LC_ALL": "C", "TMPDIR": str(folder)}
    # a file and not a pipe: a grandchild that outlives the command would hold a pipe open
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=kept,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                # the whole group: compilers are drivers that start others
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        said.seek(0)
        return Finished(status, said.read().decode("utf-8", "replace"))
