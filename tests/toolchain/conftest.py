from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from grugen.toolchain.build import SourceBundle


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment with a cache of the test's own and no compiler named."""
    kept = {name: value for name, value in os.environ.items() if name != "CC"}
    return {**kept, "GRUGEN_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def bundle() -> SourceBundle:
    main = '#include "three.h"\nint64_t three(void) { return 3; }\n'
    return SourceBundle(
        "three", (("three.c", main), ("three.h", "#include <stdint.h>\nint64_t three(void);\n"))
    )


@pytest.fixture
def fake_compiler(tmp_path: Path) -> Callable[[str], str]:
    """Makes a shell script that answers --version and the probe, and else runs `body`."""

    def make(body: str) -> str:
        script = tmp_path / "fakecc"
        script.write_text(
            "#!/bin/sh\n"
            'case "$*" in\n'
            '  *--version*) echo "fakecc 1.0"; exit 0 ;;\n'
            "  *probe.c*) exit 0 ;;\n"
            "esac\n" + body
        )
        script.chmod(0o755)
        return str(script)

    return make
