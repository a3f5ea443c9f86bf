"""The shipped files are found, and what is not found is said in full."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grugen import assets
from grugen.errors import SpecFileError


def test_shipped_specs_are_sorted_and_stand_for_files() -> None:
    names = assets.shipped_specs()
    assert "gru" in names
    assert "gru_d" in names
    assert list(names) == sorted(names)
    for name in names:
        assert assets.spec_path(name).name == f"{name}.yaml"


def test_templates_are_found() -> None:
    assert (assets.templates_folder()).is_dir()


def test_a_wheel_has_them_inside_the_package(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "mine.yaml").touch()
    (tmp_path / "templates").mkdir()
    monkeypatch.setattr(assets, "_PACKAGE", tmp_path)
    assert assets.shipped_specs() == ("mine",)
    assert assets.templates_folder() == tmp_path / "templates"


def test_an_existing_file_wins(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gru").write_text("spec: 1\n")
    assert assets.spec_path("gru") == Path("gru")
    assert assets.spec_path(tmp_path / "gru") == tmp_path / "gru"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "gru_dd",
            "gru_dd: no such file and no shipped spec of this name\nhelp: did you mean 'gru_d'?",
        ),
        (
            "elsewhere/gru_cho.yaml",
            "elsewhere/gru_cho.yaml: no such file and no shipped spec of this name\n"
            "help: did you mean 'gru_cho'?",
        ),
        (
            "0",
            "0: no such file and no shipped spec of this name\n"
            f"help: the shipped specs are {', '.join(assets.shipped_specs())}",
        ),
        ("a\0b", "not a path: 'a\\x00b'"),
        ("/dev/null", "/dev/null: this is a device or a pipe, expected a spec file"),
        (".", ".: this is a folder, expected a spec file"),
        ("", "'' is no spec; a path or the name of a shipped spec is needed"),
        (None, "None is no spec; a path or the name of a shipped spec is needed"),
        (3, "3 is no spec; a path or the name of a shipped spec is needed"),
    ],
)
def test_what_is_not_found(name: Any, message: str) -> None:
    with pytest.raises(SpecFileError) as caught:
        assets.spec_path(name)
    assert str(caught.value) == message


def test_a_name_too_long_for_the_system() -> None:
    with pytest.raises(SpecFileError, match=r"File name too long|no such file"):
        assets.spec_path("x" * 5000)
