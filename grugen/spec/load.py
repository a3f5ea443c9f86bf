"""A file name, a shipped name or a text -> a checked `CellSpec`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePath

from grugen.assets import shipped_spec_path, shipped_specs, spec_path
from grugen.errors import Diagnostic, SpecError, SpecFileError
from grugen.source import SourceText
from grugen.spec.draft import Draft
from grugen.spec.extends import merge
from grugen.spec.model import CellSpec
from grugen.spec.names import did_you_mean
from grugen.spec.reader import read_draft
from grugen.spec.rules import check
from grugen.spec.tree import LARGEST

FindParent = Callable[[str], SourceText]
"""Gives the text of the spec that `extends` names, or raises SpecFileError."""


def read_spec(path_or_name: str | Path) -> CellSpec:
    """The checked spec of a file, or of a shipped spec by its name."""
    path = spec_path(path_or_name)
    return read_text(_read_file(path), lambda name: _parent_text(name, path.parent))


def read_text(source: SourceText, find_parent: FindParent | None = None) -> CellSpec:
    """The checked spec of a text; without `find_parent` it can extend shipped specs only."""
    draft = read_draft(source)
    if draft.extends is not None:
        draft = merge(_parent(draft, find_parent or _shipped_text), draft)
    found = check(draft)
    if found:
        raise SpecError(found)
    return _finished(draft)


def _finished(draft: Draft) -> CellSpec:
    docs = {described.name: described.doc for described in draft.dims}
    used = (n for declared in draft.declarations for dim in declared.shape for n in dim.names)
    return CellSpec(
        name=draft.name.text,
        doc=draft.doc or "",
        cite=draft.cite or "",
        dims=tuple((name, docs.get(name, "")) for name in dict.fromkeys(used)),
        declarations=draft.declarations,
        equations=draft.equations,
        outputs=draft.outputs,
        interchange=draft.interchange or (),
        source=draft.source,
    )


def _parent(child: Draft, find_parent: FindParent) -> Draft:
    assert child.extends is not None
    try:
        source = find_parent(child.extends.text)
    except SpecFileError as error:
        message, _, advice = str(error).partition("\nhelp: ")
        raise SpecError([Diagnostic(message, child.extends.span, help=advice)]) from None
    return read_draft(source)


def _parent_text(name: str, folder: Path) -> SourceText:
    """The file `name`, seen from the child's folder, or the shipped spec of this name."""
    if PurePath(name).suffix not in (".yaml", ".yml"):
        return _shipped_text(name)
    path = folder / name
    if "\0" in name or not path.is_file():
        raise SpecFileError(f"no file '{name}' beside this spec")
    return _read_file(path)


def _shipped_text(name: str) -> SourceText:
    path = shipped_spec_path(name)
    if path is None:
        advice = did_you_mean(name, shipped_specs()) or "a file is named with its ending, .yaml"
        raise SpecFileError(f"no shipped spec is called '{name}'\nhelp: {advice}")
    return _read_file(path)


def _read_file(path: Path) -> SourceText:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise SpecFileError(f"{path}: {error.strerror or error}") from error
    if len(data) > LARGEST:
        raise SpecFileError(f"{path}: larger than 1 MiB, this is no spec")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"not UTF-8: byte 0x{data[error.start]:02x} in line {line}"
        raise SpecFileError(f"{path}: {message}") from None
    return SourceText(os.fspath(path), text)
