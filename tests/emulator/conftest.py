"""Libraries of the emulator's own kernels, built once per run of the tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from emulator.build import Mode, compile_library, unavailable

KERNELS = Path(__file__).with_name("kernels")

Built = Callable[[str, Mode], Path]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, _cache: None) -> Built:
    """The library of a file of kernels, by the file's stem and the mode."""
    reason = unavailable()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("kernels")

    @cache
    def make(stem: str, mode: Mode) -> Path:
        return compile_library(KERNELS / f"{stem}.cu", mode, folder)

    return make
