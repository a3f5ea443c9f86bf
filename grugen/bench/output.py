"""Writes a file of text, or says why not."""

from __future__ import annotations

from pathlib import Path

from grugen.errors import ToolchainError


def write_text(file: Path, text: str) -> None:
    """Write `file`, and its folder where there is none. Raises ToolchainError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ToolchainError(
            f"cannot write '{file}': {error.strerror or error}\n"
            "help: name a folder that can be written with --out"
        ) from error
