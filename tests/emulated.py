"""Libraries of target `cuda` without CUDA's compiler and without a GPU: built by the emulator.

What is the device's memory there is the host's, so a test can look at it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from emulator.build import compile_library, unavailable

from grugen.toolchain.build import BuildOptions, SourceBundle


def left_out() -> str:
    """Why nothing can be emulated here, in a line; empty if it can."""
    reason = unavailable()
    return f"left out: {' '.join(reason.split())}" if reason else ""


def build_emulated(bundle: SourceBundle, options: BuildOptions, *, afresh: bool = False) -> Path:
    """The emulator's library of a bundle, in the place of `grugen.toolchain.build.build`."""
    digest = hashlib.sha256("".join(f"{n}\0{t}\0" for n, t in bundle.files).encode()).hexdigest()
    folder = Path(os.environ["GRUGEN_CACHE"]) / "emulated" / f"{bundle.stem}-{digest[:16]}"
    library = folder / f"{bundle.stem}.plain.so"
    if afresh or not library.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in bundle.files:
            (folder / name).write_text(text, encoding="utf-8")
        # the functions of the border are seen from outside, as nvcc leaves them
        flags = ["-fvisibility=default", f"-I{folder}", *options.extra]
        compile_library(folder / bundle.main, "plain", folder, flags=flags)
    return library
