"""Splits, early stopping, progress and the report, on made-up stays and a stand-in cell."""

import io
import json

import numpy as np
import pytest
from comparison import Timing
from dataset import Dataset
from linear_cell import LinearCell
from metrics import auc
from progress import Progress
from report import result, summary, timing_table
from stays import VARIABLES
from tensors import Steps
from train import split
from training import Parts, Recipe, Trainer

STAYS = 400
RECIPE = Recipe(hidden=4, batch=32, learning_rate=0.02, warm_up=5, epochs=30, patience=6)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """A quarter of the patients die, and a high value of the first variable foretells it."""
    rng = np.random.default_rng(8)
    deaths = np.arange(STAYS) % 4 == 0
    sequences = []
    for dead in deaths:
        x = rng.random((rng.integers(2, 6), len(VARIABLES))).astype(np.float32) + 1
        x[:, 0] += 2 * dead
        sequences.append(Steps(x, np.ones_like(x), np.zeros_like(x)))
    return Dataset("made-up stays", tuple(sequences), deaths)


@pytest.fixture(scope="module")
def parts(dataset: Dataset) -> Parts:
    return next(split(dataset.deaths, 4))


def test_parts_are_disjoint_stratified_and_each_stay_is_tested_once(dataset: Dataset) -> None:
    tested = []
    for parts in split(dataset.deaths, 4):
        everyone = np.concatenate([parts.training, parts.validation, parts.test])
        assert sorted(everyone) == list(range(STAYS))
        assert [len(parts.training), len(parts.validation), len(parts.test)] == [240, 60, 100]
        assert dataset.deaths[parts.validation].sum() == 15
        tested += parts.test.tolist()
    assert sorted(tested) == list(range(STAYS))


def test_scaling_and_means_are_those_of_the_training_part(dataset: Dataset, parts: Parts) -> None:
    altered = list(dataset.sequences)
    for stay in [*parts.validation, *parts.test]:
        altered[stay] = Steps(altered[stay].x * 50, altered[stay].m, altered[stay].delta)
    other = Dataset("altered", tuple(altered), dataset.deaths)
    first, second = (
        Trainer(LinearCell, data, parts.training, RECIPE, 0) for data in (dataset, other)
    )
    stay = parts.training[0]
    np.testing.assert_array_equal(first.dataset.sequences[stay].x, second.dataset.sequences[stay].x)


def test_fit_learns_stops_and_keeps_the_best_epoch(dataset: Dataset, parts: Parts) -> None:
    trainer = Trainer(LinearCell, dataset, parts.training, RECIPE, seed=3)
    log = io.StringIO()
    fitted = trainer.fit(parts.validation, parts.test, Progress("fold 1/4", log))
    assert auc(fitted.test.labels, fitted.test.scores) > 0.9
    assert fitted.epoch <= len(fitted.seconds) <= RECIPE.epochs
    kept = trainer.score(parts.validation)
    assert auc(kept.labels, kept.scores) == pytest.approx(fitted.validation_auc)
    assert len(log.getvalue().splitlines()) == len(fitted.seconds)

    again = Trainer(LinearCell, dataset, parts.training, RECIPE, seed=3)
    same = again.fit(parts.validation, parts.test, Progress("fold 1/4", io.StringIO()))
    np.testing.assert_array_equal(same.test.scores, fitted.test.scores)

    found = result([fitted, same], RECIPE, data=dataset.name, target="stand-in")
    assert json.loads(json.dumps(found)) == found
    assert "2 folds" in summary(found)


def test_a_terminal_gets_one_line_drawn_over_and_a_log_plain_lines() -> None:
    terminal, log = Terminal(), io.StringIO()
    for stream in (terminal, log):
        progress = Progress("fold 1/5", stream)
        progress.advance(1, 5, 10)
        progress.advance(1, 10, 10)
        progress.epoch(1, "loss 0.5")
        progress.close("test AUC 0.8")
    assert "5/10" in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1
    assert log.getvalue() == "fold 1/5  epoch  1  loss 0.5\nfold 1/5  test AUC 0.8\n"


def test_the_timing_table_says_what_was_measured() -> None:
    lines = timing_table([Timing("openmp", 0.5, 1.0), Timing("numpy", 5.0, 0.25)]).splitlines()
    assert lines[2] == "| openmp | 0.500 | 1.0 x | 100% of an epoch |"
    assert lines[3] == "| numpy | 5.000 | 10.0 x | 25% of an epoch |"
