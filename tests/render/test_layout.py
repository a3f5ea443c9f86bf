"""Generated C is indented by its braces, and laying it out twice changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from grugen.errors import InternalError
from grugen.render.layout import WIDTH, lay_out

ROOT = Path(__file__).parent.parent.parent
SOURCES = sorted((ROOT / "generated").rglob("*_f32*.[ch]"))


def test_indentation_follows_braces() -> None:
    text = "void f(\nint a)\n{\nfor (;;) {\n#pragma omp simd\nx = 1; // {\n}\n\n\ny = 2;\n}\n"
    assert lay_out(text) == (
        "void f(\n        int a)\n{\n    for (;;) {\n        #pragma omp simd\n"
        "        x = 1; // {\n    }\n    y = 2;\n}\n"
    )


def test_long_statements_are_broken() -> None:
    words = " + ".join(f"value_{n}" for n in range(30))
    laid_out = lay_out(f"{{\ny = {words};\n}}\n")
    assert max(map(len, laid_out.splitlines())) <= WIDTH
    assert " ".join(laid_out.split()) == f"{{ y = {words}; }}"


@pytest.mark.parametrize("text", ["{\n", "}\n", "{\n}\n}\n"])
def test_unbalanced_braces_are_refused(text: str) -> None:
    with pytest.raises(InternalError, match="unbalanced braces"):
        lay_out(text)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_committed_sources_are_a_fixed_point(path: Path) -> None:
    text = path.read_text()
    if "#ifdef __cplusplus" not in text:
        assert lay_out(text) == text


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_committed_code_fits_the_width(path: Path) -> None:
    for line in path.read_text().splitlines():
        assert len(line) <= WIDTH or line.lstrip().startswith("//"), line


def test_long_strings_become_strings_side_by_side() -> None:
    text = "{\n" + '"' + " ".join(["products"] * 20) + '",\n}\n'
    laid = lay_out(text)
    assert all(len(line) <= WIDTH for line in laid.splitlines())
    pieces = [line.strip() for line in laid.splitlines() if '"' in line]
    joined = "".join(piece.rstrip(",").strip('"') for piece in pieces)
    assert joined == " ".join(["products"] * 20)
    assert lay_out(laid) == laid
