"""Hostile and broken YAML: refused with a place, at once, with nothing executed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from grugen.errors import SpecError, SpecFileError
from grugen.source import SourceText
from grugen.spec import read_spec, read_text
from grugen.spec.tree import DEEPEST, LARGEST, MOST_NODES, Mapping, Scalar, parse_yaml

LAUGHS = "a: &a [l, l, l, l, l, l, l, l, l]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
MEBIBYTE = 2**20 - 2000
BOMBS = {
    "billion laughs": LAUGHS,
    "an alias of its own parent": "spec: &a [*a]\n",
    "object": 'spec: !!python/object/apply:os.system ["touch here"]\n',
    "object as a key": "!!python/name:os.system : 1\n",
    "deep list": "spec: " + "[" * 100_000,
    "deep mapping": "spec: " + "{a: " * 100_000,
    "deep blocks": "".join(" " * depth + "a:\n" for depth in range(1000)),
    "deep dashes": "- " * 100_000,
    "deep questions": "? " * 100_000,
    "many entries": "".join(f"k{number}: 1\n" for number in range(90_000)),
    "many items": "spec: [" + "1, " * 300_000 + "]\n",
    "many names in one key": "spec: 1\nname: c\nparams:\n  " + "a, " * 300_000 + "b: [H]\n",
    "many unknown keys": "spec: 1\n" + "".join(f"naem{n}: 1\n" for n in range(4000)),
    "many equations": "spec: 1\nname: c\nequations: |\n" + "  a + b - c * d\n" * 19_000,
    "many lines": "\n" * 200_000,
    "one long equation": "spec: 1\nname: c\nequations: |\n  a = " + "b + " * 200_000 + "b\n",
    "one long number": "spec: 1\nname: c\nparams: {w: [" + "9" * 100_000 + "]}\n",
    "one long version": "%YAML " + "1" * 100_000 + ".1\n---\nspec: 1\n",
    "too large": "# " + "x" * LARGEST,
}


def mistakes(text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        read_text(SourceText("cell.yaml", text))
    return caught.value


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused_at_once(text: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    start = time.process_time()
    error = mistakes(text)
    assert time.process_time() - start < 4
    assert error.diagnostics[0].span.line >= 1
    assert list(tmp_path.iterdir()) == []


def test_limits_are_above_what_people_write() -> None:
    assert DEEPEST >= 8
    assert MOST_NODES >= 5000


@pytest.mark.parametrize(
    "text",
    [
        "\0",
        "spec: \x1b[31m1",
        "spec: 1\ndoc: a\rb",
        "spec: 1\ndoc: \x85",
        "spec: 1\ndoc: \ud800",
        "spec: 1\ndoc: '\ufeff'",
        'spec: 1\ndoc: "\\ud800"',
        'spec: 1\ndoc: "\\0"',
        'spec: 1\ndoc: "\\N"',
        'spec: 1\ndoc: "\\L"',
        "spec: 1\ndoc: \u202e",
        'spec: 1\ndoc: "\\u2066"',
    ],
)
def test_characters_that_are_refused(text: str) -> None:
    assert "unprintable character U+" in str(mistakes(text))


@pytest.mark.parametrize(
    "text",
    ["", "\n", "---", "...", "# c", "~", "spec", "[]", "- a", "%YAML 1.1\n---\nspec: 1", "{"],
)
def test_no_mapping_at_all(text: str) -> None:
    assert mistakes(text).diagnostics[0].span.line <= 2


def test_places_of_scalars() -> None:
    source = SourceText(
        "t", "a: plain\nb: 'quoted'\nc: |\n\n   one\n     two  \nd: >\n  x\ne: \"\\x41\"\n"
    )
    scalars = {entry.key.text: entry.value for entry in parse_yaml(source).entries}
    lines = {
        key: [(line.text, line.number, line.column) for line in value.lines]
        for key, value in scalars.items()
        if isinstance(value, Scalar)
    }
    assert lines == {
        "a": [("plain", 1, 4)],
        "b": [("quoted", 2, 5)],
        "c": [("one", 5, 4), ("  two  ", 6, 4)],
        "d": [],
        "e": [],
    }
    for value in scalars.values():
        assert isinstance(value, Scalar)
        for line in value.lines:
            assert source.line(line.number)[line.column - 1 :] in (line.text, f"{line.text}'")


def test_windows_line_ends() -> None:
    error = mistakes("spec: 1\r\nname: c\r\nequations: |\r\n  a = $\r\n")
    last = error.diagnostics[-1].span
    assert (last.line, last.column) == (4, 7)
    assert last.excerpt() == "  |\n4 |   a = $\n  |       ^"


def test_keys_keep_their_text() -> None:
    root = parse_yaml(SourceText("t", "n: 1\ny: 2\n'on': 3\n\"1\": 4\n? a\n: 5\n"))
    assert isinstance(root, Mapping)
    assert [entry.key.text for entry in root.entries] == ["n", "y", "on", "1", "a"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"spec: 1\nname: \xff\n", "not UTF-8: byte 0xff in line 2"),
        (b"\xff\xfes\0p\0e\0c\0", "not UTF-8: byte 0xff in line 1"),
        (b"#" * (LARGEST + 1), "larger than 1 MiB, this is no spec"),
    ],
)
def test_files_that_are_no_text(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "cell.yaml"
    path.write_bytes(data)
    with pytest.raises(SpecFileError) as caught:
        read_spec(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "cell.yaml"
    path.write_bytes(b"\xef\xbb\xbfspec: 2\n")
    with pytest.raises(SpecError, match=r"cell\.yaml:1:7: error: this grugen reads version 1"):
        read_spec(path)
