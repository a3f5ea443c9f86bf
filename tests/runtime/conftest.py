from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import leak
import numpy as np
import pytest

from grugen.runtime import Cell, CellModule


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRUGEN_CACHE", str(folder))
        yield folder


@pytest.fixture(
    scope="session", params=["numpy", pytest.param("openmp", marks=pytest.mark.compiles)]
)
def module(request: pytest.FixtureRequest) -> CellModule:
    return leak.module(request.param)


@pytest.fixture
def cell(module: CellModule) -> Cell:
    """Of three units, in float64."""
    return module.Cell(D=3, c=np.array([0.5, 1.0, 2.0]), seed=1, dtype="float64")
