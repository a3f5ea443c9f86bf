from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import leak
import leak_cuda
import numpy as np
import pytest
from emulated import left_out

from grugen.runtime import Cell, CellModule


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRUGEN_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def cuda_module() -> CellModule:
    """The target `cuda`, emulated."""
    reason = left_out()
    if reason:
        pytest.skip(reason)
    return leak_cuda.module()


@pytest.fixture(
    scope="session", params=["numpy", pytest.param("openmp", marks=pytest.mark.compiles), "cuda"]
)
def module(request: pytest.FixtureRequest) -> CellModule:
    if request.param == "cuda":
        found: CellModule = request.getfixturevalue("cuda_module")
        return found
    return leak.module(request.param)


@pytest.fixture
def cell(module: CellModule) -> Cell:
    """Of three units, in float64."""
    return module.Cell(D=3, c=np.array([0.5, 1.0, 2.0]), seed=1, dtype="float64")
