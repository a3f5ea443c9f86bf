"""Generated files come to a folder: each whole or not at all, and only if it changed.

Several processes may write the same folder at once; files that grugen did not make stay.
"""

from __future__ import annotations

import difflib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from grugen.errors import ToolchainError


def write_files(folder: Path, files: Mapping[str, str]) -> tuple[Path, ...]:
    """Write `files` (text by relative path) below `folder`; return those that changed.

    Raises ToolchainError, naming the path, if something cannot be written.
    """
    changed: list[Path] = []
    for name, text in files.items():
        path = folder / name
        if _read(path) == text:
            continue
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_text(text, encoding="utf-8", newline="\n")
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise ToolchainError(
                f"cannot write '{path}': {error.strerror or error}\n"
                "help: name a folder that can be written with --out"
            ) from error
        changed.append(path)
    return tuple(changed)


def difference(folder: Path, files: Mapping[str, str]) -> str:
    """What `write_files` would change, as a unified diff; empty if nothing."""
    parts: list[str] = []
    for name, text in files.items():
        path = folder / name
        old = _read(path)
        if old != text:
            parts += difflib.unified_diff(
                (old or "").splitlines(keepends=True),
                text.splitlines(keepends=True),
                f"{path} (found)" if old is not None else "(missing)",
                f"{path} (expected)",
            )
    return "".join(parts)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
