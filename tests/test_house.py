"""The house keeps its shape: no cell is known by name, no file is a god, nothing is remembered."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from grugen.assets import shipped_specs

ROOT = Path(__file__).parent.parent
COMPILER = sorted((ROOT / "grugen").rglob("*.py"))
TEXTS = [*COMPILER, *(path for path in (ROOT / "templates").rglob("*.*") if path.is_file())]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_cell_is_known_by_name(path: Path) -> None:
    words = set(re.findall(r"[a-z_0-9]+", _code(path)))
    assert not words & set(shipped_specs())


def _code(path: Path) -> str:
    """The text of a file; of Python without docstrings and comments, where examples may stand."""
    text = path.read_text(encoding="utf-8")
    return ast.unparse(_without_docstrings(ast.parse(text))) if path.suffix == ".py" else text


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                line
                for line in body
                if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
            ] or [ast.Pass()]
    return tree


@pytest.mark.parametrize("path", COMPILER, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_are_rooms_not_halls(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_half_the_files_are_small() -> None:
    sizes = sorted(len(path.read_text(encoding="utf-8").splitlines()) for path in COMPILER)
    assert sizes[len(sizes) // 2] <= 130


@pytest.mark.parametrize("path", COMPILER, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_stand_at_the_top(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            inside = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
            assert not inside, f"{path}:{inside[0].lineno}"


def test_everything_has_a_module_docstring() -> None:
    for path in COMPILER:
        text = path.read_text(encoding="utf-8")
        if text:
            assert ast.get_docstring(ast.parse(text)), path
