"""The whole example with generated cells, on a few stays of the sample."""

import json
import sys
from pathlib import Path

import make_sample
import numpy as np
import pytest
import train
from dataset import SAMPLE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 stays of the sample, every fourth dead, laid out as the challenge's folder."""
    header, *rows = (SAMPLE / "Outcomes-a-1000.txt").read_text().splitlines()
    dead = [row for row in rows if row.endswith(",1")][:10]
    alive = [row for row in rows if row.endswith(",0")][:30]
    folder = tmp_path_factory.mktemp("challenge")
    (folder / "Outcomes-a.txt").write_text("\n".join([header, *dead, *alive]) + "\n")
    (folder / "set-a").mkdir()
    files = make_sample.read_files(SAMPLE / "set-a-1000.tar.gz")
    for row in (*dead, *alive):
        record = row.split(",")[0]
        (folder / "set-a" / f"{record}.txt").write_bytes(files[record])
    return folder


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *options: str) -> dict[str, object]:
    report = folder / "report.json"
    command = ["train.py", "--data", str(folder), "--folds", "2", "--epochs", "2", "--hidden", "8"]
    monkeypatch.setattr(sys, "argv", [*command, "--json", str(report), *options])
    train.main()
    found: dict[str, object] = json.loads(report.read_text())
    return found


def test_the_interpreter_trains(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    found = run(monkeypatch, folder, "--target", "numpy")
    assert found["stays"] == 40
    assert [fold["test_stays"] for fold in found["folds"]] == [20, 20]


@pytest.mark.compiles
def test_all_targets_train_alike_and_are_compared(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    compiled = run(monkeypatch, folder, "--compare")
    assert [row["target"] for row in compiled["seconds_per_epoch_by_target"]] == [
        *("openmp", "sequential", "numpy")
    ]
    interpreted = run(monkeypatch, folder, "--target", "numpy")
    for fold, other in zip(compiled["folds"], interpreted["folds"], strict=True):
        # A few steps of training amplify rounding; one pair of stays may change places.
        assert fold["test_auc"] == pytest.approx(other["test_auc"], abs=0.03)
    assert np.isfinite(compiled["mean_test_auc"])
