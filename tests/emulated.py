"""Libraries of target `cuda` without CUDA's compiler and without a GPU: built by the emulator.

What is the device's memory there is the host's, so a test can look at it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from emulator.build import Mode, compile_library, unavailable

from grugen.runtime.loading import Build
from grugen.toolchain.build import BuildOptions, SourceBundle

QUICKLY = ("-O0",)
"""A library runs for a moment, and is compiled in half the time."""
SHORT_GRAPHS = ("-DGRUGEN_GRAPH_STEPS=2",)
"""Short calls launch graphs, too."""


def left_out() -> str:
    """Why nothing can be emulated here, in a line; empty if it can."""
    reason = unavailable()
    return f"left out: {' '.join(reason.split())}" if reason else ""


def build_emulated(
    bundle: SourceBundle,
    options: BuildOptions,
    *,
    afresh: bool = False,
    mode: Mode = "plain",
    flags: Sequence[str] = QUICKLY,
) -> Path:
    """The emulator's library of a bundle, in the place of `grugen.toolchain.build.build`."""
    parts = [f"{name}\0{text}\0" for name, text in bundle.files]
    digest = hashlib.sha256("".join([*parts, *SHORT_GRAPHS, *flags]).encode()).hexdigest()
    folder = Path(os.environ["GRUGEN_CACHE"]) / "emulated" / f"{bundle.stem}-{digest[:16]}"
    library = folder / f"{bundle.stem}.{mode}.so"
    if afresh or not library.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in bundle.files:
            (folder / name).write_text(text, encoding="utf-8")
        # the functions of the border are seen from outside, as nvcc leaves them
        chosen = ["-fvisibility=default", f"-I{folder}", *SHORT_GRAPHS, *flags, *options.extra]
        compile_library(folder / bundle.main, mode, folder, flags=chosen)
    return library


def emulation(mode: Mode, flags: Sequence[str] = QUICKLY) -> Build:
    """`build_emulated` for another mode."""
    return partial(build_emulated, mode=mode, flags=flags)
