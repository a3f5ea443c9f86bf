"""What is committed under generated/ is what the compiler makes of the shipped specs today."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grugen.driver import CPU_TARGETS, compile_spec, render_module
from grugen.toolchain.output import difference

ROOT = Path(__file__).parent.parent.parent
COMMITTED = ("gru", "gru_d")
BUILDS = [(target, "float32") for target in (*CPU_TARGETS, "cuda")]

DIGESTS = """
import hashlib, json
from grugen.assets import shipped_specs
from grugen.driver import CPU_TARGETS, compile_spec, render_module
builds = [(target, dtype) for target in CPU_TARGETS for dtype in ("float32", "float64")]
texts = {name: str(render_module(compile_spec(name), builds)) for name in shipped_specs()}
print(json.dumps({name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}))
"""


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_sources_are_fresh(name: str) -> None:
    files = render_module(compile_spec(name), BUILDS)
    assert difference(ROOT / "generated" / name, files) == "", "run  make generated"


def test_nothing_else_is_committed() -> None:
    folders = {path.name for path in (ROOT / "generated").iterdir() if path.name != "__pycache__"}
    assert folders == set(COMMITTED)
    for name in COMMITTED:
        expected = {ROOT / "generated" / name / path for path in _files(name)}
        found = (path for path in (ROOT / "generated" / name).rglob("*") if path.is_file())
        assert {path for path in found if "__pycache__" not in path.parts} == expected


def _files(name: str) -> dict[str, str]:
    return render_module(compile_spec(name), BUILDS)


def test_same_spec_same_bytes() -> None:
    """Whatever the order of sets: every shipped cell, all targets and dtypes."""

    def digests(seed: str) -> dict[str, str]:
        done = subprocess.run(
            [sys.executable, "-c", DIGESTS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[str, str] = json.loads(done.stdout)
        return found

    first = digests("1")
    assert len(first) >= 15
    assert digests("2") == first


def test_no_path_of_a_machine_is_in_generated_text(tmp_path: Path) -> None:
    spec = tmp_path / "moved.yaml"
    spec.write_text((ROOT / "specs/mgu.yaml").read_text())
    files = render_module(compile_spec(spec), BUILDS)
    assert not [name for name, text in files.items() if str(tmp_path) in text]
    assert hashlib.sha256(str(files).encode()).digest()
