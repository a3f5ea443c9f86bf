"""A wheel holds everything: pyproject.toml lists each folder of package, templates and specs."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_folder_is_a_listed_package() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        setuptools = tomllib.load(file)["tool"]["setuptools"]
    packages = {path.parent for path in (ROOT / "grugen").rglob("*.py")}
    found = {path.relative_to(ROOT).as_posix().replace("/", ".") for path in packages}
    found |= {"grugen.specs", "grugen.specs.bench", "grugen.templates"}
    folders = {path.parent for path in (ROOT / "templates").rglob("*.*") if path.is_file()}
    found |= {f"grugen.templates.{path.name}" for path in folders if path.name != "templates"}
    assert set(setuptools["packages"]) == found


def test_every_kind_of_file_is_listed() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        patterns = tomllib.load(file)["tool"]["setuptools"]["package-data"]["*"]
    data = [*(ROOT / "templates").rglob("*.*"), *(ROOT / "specs").rglob("*.*")]
    for path in data:
        if path.suffix in (".py", ".pyc"):
            continue  # modules of a listed package
        assert any(path.match(pattern) for pattern in patterns), path


def test_constraints_pin_what_is_required() -> None:
    text = (ROOT / "constraints.txt").read_text()
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = [name for group in project["optional-dependencies"].values() for name in group]
    for requirement in (*project["dependencies"], *extras):
        name = requirement.split(">=")[0]
        assert f"\n{name}==".lower() in text.lower(), name
