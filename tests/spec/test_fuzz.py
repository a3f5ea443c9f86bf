"""Whatever is read, nothing but SpecError comes out."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import ALL_SPECS

from grugen.errors import SpecError, SpecFileError
from grugen.source import SourceText
from grugen.spec import read_spec, read_text, spec_text

TEXTS = [path.read_text(encoding="utf-8") for path in ALL_SPECS]
PIECES = sorted({piece for text in TEXTS for piece in text.replace("\n", " \n ").split(" ")})


def read_anything(text: str) -> None:
    try:
        spec = read_text(SourceText("fuzz.yaml", text))
    except SpecError:
        return
    read_text(SourceText("again.yaml", spec_text(spec)))


@given(st.text())
def test_any_text(text: str) -> None:
    read_anything(text)


@given(st.text())
def test_any_equations(text: str) -> None:
    block = "".join(f"  {line}\n" for line in text.splitlines())
    read_anything(
        "spec: 1\nname: c\ninputs: {x: [D]}\nstates: {h: [D]}\noutputs: {y: h'}\n"
        f"equations: |\n  h' = x\n{block}"
    )


@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_pieces_of_specs_in_any_order(pieces: list[str]) -> None:
    read_anything("spec: 1\nname: c\n" + " ".join(pieces))


@given(st.binary())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "fuzz.yaml"
    path.write_bytes(data)
    with pytest.raises((SpecError, SpecFileError)):
        read_spec(path)


@given(st.sampled_from(TEXTS), st.randoms(use_true_random=False))
def test_damaged_specs(text: str, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(text))
        end = min(len(text), start + rng.choice([0, 1, 1, 3, 20]))
        put = rng.choice(["", "", *"'@*/(),:;#[]{}=-\n\t σ\0", rng.choice(PIECES)])
        text = text[:start] + put + text[end:] or " "
    read_anything(text)
