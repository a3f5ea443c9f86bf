"""A printed spec reads back to an equal one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import ALL_SPECS, spec_of, without_places

from grugen.spec import read_spec, spec_text
from grugen.spec.tree import _UNPRINTABLE

BASE = """spec: 1
name: cell
doc: {doc}
inputs: {{x: {{shape: [D], doc: {doc}}}}}
states: {{h: [D]}}
equations: |
  h' = x * h
outputs: {{y: h'}}
"""


@pytest.mark.parametrize("path", ALL_SPECS, ids=[path.stem for path in ALL_SPECS])
def test_the_text_reads_back_to_an_equal_spec(path: Path) -> None:
    spec = read_spec(path)
    text = spec_text(spec)
    again = spec_of(text)
    assert without_places(again) == without_places(spec)
    assert spec_text(again) == text
    assert "extends" not in text


@given(st.text().filter(lambda text: not _UNPRINTABLE.search(text)))
def test_any_text_survives_as_data(text: str) -> None:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    spec = spec_of(BASE.format(doc=quoted.replace("\t", "\\t")))
    assert spec.doc == text.strip()
    assert spec.declarations[0].doc == text.strip()
    assert without_places(spec_of(spec_text(spec))) == without_places(spec)
