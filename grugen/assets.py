"""Where the files lie that grugen ships but that are no Python: `specs/` and `templates/`.

A wheel has them inside the package folder; a checkout and an editable install, beside it.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from grugen.errors import SpecFileError

_PACKAGE = Path(__file__).resolve().parent


def templates_folder() -> Path:
    """The folder of the Jinja templates."""
    return _folder("templates")


def bench_folder() -> Path:
    """The folder of the suites of `grugen bench`, and of the shipped cells in other frameworks."""
    return _folder("specs") / "bench"


def shipped_specs() -> tuple[str, ...]:
    """The names of the shipped specs, sorted: `gru` stands for `specs/gru.yaml`."""
    return tuple(sorted(path.stem for path in _folder("specs").glob("*.yaml")))


def shipped_spec_path(name: str) -> Path | None:
    """The file of the shipped spec called `name`, if there is one."""
    return _folder("specs") / f"{name}.yaml" if name in shipped_specs() else None


def spec_path(name_or_path: str | Path) -> Path:
    """An existing file as it is, or the file of a shipped spec by its name."""
    if not isinstance(name_or_path, (str, Path)) or not str(name_or_path):
        raise SpecFileError(
            f"{name_or_path!r} is no spec; a path or the name of a shipped spec is needed"
        )
    path = Path(name_or_path)
    text = str(name_or_path)
    if "\0" in text:
        raise SpecFileError(f"not a path: {text!r}")
    try:
        if path.is_file():
            return path
        is_folder, exists = path.is_dir(), path.exists()
    except OSError as error:
        raise SpecFileError(f"{text}: {error.strerror or error}") from error
    shipped = shipped_spec_path(text)
    if shipped is not None:
        return shipped
    if is_folder:
        raise SpecFileError(f"{text}: this is a folder, expected a spec file")
    if exists:
        raise SpecFileError(f"{text}: this is a device or a pipe, expected a spec file")
    raise SpecFileError(f"{text}: no such file and no shipped spec of this name\n{_advice(path)}")


def _advice(path: Path) -> str:
    shipped = shipped_specs()
    close = difflib.get_close_matches(path.stem, shipped, n=1)
    if close:
        return f"help: did you mean '{close[0]}'?"
    return "help: the shipped specs are " + ", ".join(shipped)


def _folder(name: str) -> Path:
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
