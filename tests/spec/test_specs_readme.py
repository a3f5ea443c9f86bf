"""The language's reference names what there is, and its examples are specs."""

from __future__ import annotations

import re

from places import spec_of

from grugen.assets import shipped_specs, spec_path
from grugen.source import SourceText
from grugen.spec import read_text
from grugen.spec.declarations import FIELDS
from grugen.spec.equations import MOST_NESTED, MOST_TOKENS
from grugen.spec.functions import FUNCTIONS, INIT_FUNCTIONS
from grugen.spec.inits import INITS
from grugen.spec.names import CELL_OPTIONS, FORWARD_OPTIONS
from grugen.spec.reader import SECTIONS

README = (spec_path("gru").parent / "README.md").read_text(encoding="utf-8")
QUOTED = " ".join(re.findall("`([^`\n]+)`", README))


def test_everything_is_named() -> None:
    words = set(re.findall("[a-z_]+", QUOTED))
    for known in (FUNCTIONS, INIT_FUNCTIONS, INITS, CELL_OPTIONS, FORWARD_OPTIONS, SECTIONS):
        assert set(known) <= words
    assert {field for fields in FIELDS.values() for field in fields} <= words
    assert set(shipped_specs()) <= set(re.findall("[a-z_]+", README.split("## The shipped")[1]))


def test_the_limits_are_right() -> None:
    assert f"{MOST_TOKENS} names, numbers and signs" in README
    assert f"{MOST_NESTED} levels of nesting" in README


def test_the_examples_are_specs() -> None:
    first, variant, _ = re.findall("```yaml\n(.*?)```", README, re.DOTALL)
    assert spec_of(first).name == "leaky"
    parent = SourceText("gru.yaml", spec_path("gru").read_text(encoding="utf-8"))
    assert read_text(SourceText("gru_relu.yaml", variant), lambda name: parent).name == "gru_relu"
