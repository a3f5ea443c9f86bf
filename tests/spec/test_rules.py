"""Every mistake has a spec in invalid/ and, beside it, the whole text of its message.

`pytest tests/spec --update-golden` writes the texts anew; the difference is then read in review.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from grugen.errors import SpecError
from grugen.source import SourceText
from grugen.spec import read_spec, read_text

INVALID = Path(__file__).parent / "invalid"
SPECS = sorted(INVALID.glob("*.yaml"))


@pytest.mark.parametrize("path", SPECS, ids=[path.stem for path in SPECS])
def test_the_whole_message(path: Path, monkeypatch, update_golden) -> None:
    monkeypatch.chdir(INVALID)
    with pytest.raises(SpecError) as caught:
        read_spec(path.name)
    expected = path.with_suffix(".txt")
    if update_golden:
        expected.write_text(f"{caught.value}\n", encoding="utf-8")
    assert f"{caught.value}\n" == expected.read_text(encoding="utf-8")


def test_every_expected_text_has_its_spec() -> None:
    assert sorted(path.stem for path in INVALID.glob("*.txt")) == [path.stem for path in SPECS]
    assert {path.suffix for path in INVALID.iterdir()} == {".yaml", ".txt", ""}


def test_at_most_twenty_mistakes_are_shown() -> None:
    names = ", ".join(f"_{number}" for number in range(25))
    spec = f"spec: 1\nname: cell\ninputs: {{x: [D]}}\nstates: {{h: [D]}}\nparams:\n  {names}: [D]\n"
    spec += "equations: |\n  h' = x * h\noutputs: {y: h'}\n"
    with pytest.raises(SpecError) as caught:
        read_text(SourceText("cell.yaml", spec))
    assert str(caught.value).count("error: ") == 20
    assert str(caught.value).endswith("... and 5 more")
