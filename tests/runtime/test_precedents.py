"""Forward calls on a device like one before: what is remembered changes nothing that users see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_known_forward import C, T, drawn

from grugen.runtime import CellModule, DeviceArray, precedent


def test_a_precedent_is_followed(cuda_module: CellModule, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests would say nothing if every call went the long way."""
    cell = cuda_module.Cell(D=3, c=C, seed=1, dtype="float64")
    frozen = cell.freeze()
    cell.forward(**drawn(0))
    frozen.forward(**drawn(0))

    def refuse(*_: object) -> None:
        raise AssertionError("the long way")

    monkeypatch.setattr(precedent, "accept", refuse)
    cell.forward(**drawn(1))
    frozen.forward(**drawn(1))
    with pytest.raises(AssertionError, match="the long way"):
        cell.forward(**drawn(1, steps=T + 1))


def test_results_are_where_the_arrays_are(cuda_module: CellModule) -> None:
    """NumPy's after a call with a device's, and the other way round."""
    engine = cuda_module._engine("cuda", np.dtype(np.float32))
    place = engine.place(None, None)
    cell = cuda_module.Cell(D=3, c=np.float32(C), seed=1).to("cuda:0")
    host = {name: array.astype(np.float32) for name, array in drawn(0).items()}
    there: dict[str, Any] = {name: place.copy_of(name, array) for name, array in host.items()}
    some = {**host, "x": there["x"]}
    for arrays, kind in ((host, np.ndarray), (there, DeviceArray), (some, DeviceArray)) * 2:
        found = cell.forward(**arrays).outputs["y"]
        assert type(found) is kind
        on_host = found if kind is np.ndarray else found.numpy()
        np.testing.assert_array_equal(on_host, cell.forward(**host).outputs["y"])
