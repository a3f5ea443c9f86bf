"""What README.md shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import grugen
from grugen.spec import read_spec

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The code blocks of the README in one language; '' for those without one."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return [block for found, block in fenced if found == language]


@pytest.fixture
def shown_spec() -> str:
    return blocks("yaml")[0]


def test_shown_spec_is_the_shipped_one(shown_spec: str, tmp_path: Path) -> None:
    path = tmp_path / "gru.yaml"
    path.write_text(shown_spec)
    shown, shipped = read_spec(path), read_spec("gru")
    assert [e.text for e in shown.equations] == [e.text for e in shipped.equations]
    assert [(d.name, d.shape) for d in shown.declarations] == [
        (d.name, d.shape) for d in shipped.declarations
    ]


def test_shown_mistake_reads_as_shown(
    shown_spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = re.sub(r" *#.*", "", shown_spec).replace("U_n @ (r * h)", "U_n @ r * h")
    Path("my_gru.yaml").write_text(wrong)
    with pytest.raises(grugen.SpecError) as caught:
        read_spec("my_gru.yaml")
    (shown,) = [block for block in blocks("") if "error:" in block]
    number = next(n for n, line in enumerate(wrong.split("\n"), 1) if "r * h +" in line)
    assert str(caught.value) == shown.rstrip().replace("13", str(number))


@pytest.mark.compiles
def test_ten_lines_of_use_run() -> None:
    (example,) = blocks("python")
    lines = [line for line in example.splitlines() if line]
    assert len(lines) <= 11
    exec(compile(example, "README.md", "exec"), {})


def test_shown_c_is_generated() -> None:
    (shown,) = blocks("c")
    generated = (ROOT / "generated/gru/openmp/gru_f32.c").read_text(encoding="utf-8")
    flat = [line.strip() for line in generated.splitlines()]
    wanted = [line.strip() for line in shown.splitlines()]
    assert any(flat[n : n + len(wanted)] == wanted for n in range(len(flat)))


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert target.startswith("http") or (ROOT / target).exists(), target
