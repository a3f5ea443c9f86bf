"""Every mistake in shapes has a spec in invalid/ and, beside it, the whole text of its message.

`pytest tests/ir --update-golden` writes the texts anew; the difference is then read in review.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from grugen.errors import SpecError
from grugen.ir.from_spec import lower_spec
from grugen.spec import read_spec

INVALID = Path(__file__).parent / "invalid"
SPECS = sorted(INVALID.glob("*.yaml"))


@pytest.mark.parametrize("path", SPECS, ids=[path.stem for path in SPECS])
def test_the_whole_message(
    path: Path, monkeypatch: pytest.MonkeyPatch, update_golden: bool
) -> None:
    monkeypatch.chdir(INVALID)
    spec = read_spec(path.name)
    with pytest.raises(SpecError) as caught:
        lower_spec(spec)
    expected = path.with_suffix(".txt")
    if update_golden:
        expected.write_text(f"{caught.value}\n", encoding="utf-8")
    assert f"{caught.value}\n" == expected.read_text(encoding="utf-8")


def test_every_expected_text_has_its_spec() -> None:
    assert sorted(path.stem for path in INVALID.glob("*.txt")) == [path.stem for path in SPECS]
    assert {path.suffix for path in INVALID.iterdir()} == {".yaml", ".txt"}
