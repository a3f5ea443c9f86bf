"""Predict death in hospital on PhysioNet 2012 with GRU-D, trained by a grugen module.

python examples/physionet/train.py                            # the bundled sample
python examples/physionet/train.py --data FOLDER --set a      # a full set of the challenge
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from comparison import compare
from dataset import Dataset, read_dataset
from metrics import auc, stratified_folds
from numpy.typing import NDArray
from progress import Progress
from report import result, summary, timing_table
from training import Fitted, Parts, Recipe, Trainer

import grugen

# Fixed before any test fold was scored; every run uses and reports them.
SPLIT_SEED = 2012
VALIDATION_SEED = 777  # plus the fold's number from 0
MODEL_SEED = 0  # plus the fold's number from 0
VALIDATION_PARTS = 5  # one of them, a fifth of the training fold, decides when to stop


def split(deaths: NDArray[np.bool_], folds: int) -> Iterator[Parts]:
    """Cut stratified folds, and from each training fold a stratified validation part."""
    fold_of = stratified_folds(deaths, folds, seed=SPLIT_SEED)
    for fold in range(folds):
        rest = np.flatnonzero(fold_of != fold)
        part = stratified_folds(deaths[rest], VALIDATION_PARTS, seed=VALIDATION_SEED + fold)
        yield Parts(rest[part != 0], rest[part == 0], np.flatnonzero(fold_of == fold))


def cross_validate(dataset: Dataset, target: str, folds: int, recipe: Recipe) -> list[Fitted]:
    """Train one model a fold, and read each test fold once."""
    cells = grugen.load("gru_d_dropout", target=target, dtype="float32")
    fitted = []
    for fold, parts in enumerate(split(dataset.deaths, folds)):
        progress = Progress(f"fold {fold + 1}/{folds}")
        trainer = Trainer(cells.Cell, dataset, parts.training, recipe, MODEL_SEED + fold)
        one = trainer.fit(parts.validation, parts.test, progress)
        fitted.append(one)
        progress.close(
            f"kept epoch {one.epoch} of {len(one.seconds)}  "
            f"validation AUC {one.validation_auc:.4f}  "
            f"test AUC {auc(one.test.labels, one.test.scores):.4f}  "
            f"{np.median(one.seconds):.3f} s/epoch"
        )
    return fitted


def arguments() -> argparse.Namespace:
    """Read the command line."""
    recipe = Recipe()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with set-a.tar.gz and Outcomes-a.txt")
    parser.add_argument("--set", choices=["a", "b"], default="a", help="which set of --data")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=recipe.epochs, help="at most so many")
    parser.add_argument("--hidden", type=int, default=recipe.hidden, help="units of the cell")
    parser.add_argument("--target", choices=["openmp", "sequential", "numpy"], default="openmp")
    parser.add_argument("--compare", action="store_true", help="time an epoch of every target")
    parser.add_argument("--json", type=Path, help="write everything reported to this file")
    return parser.parse_args()


def main() -> None:
    """Run what the command line asks for."""
    options = arguments()
    recipe = replace(Recipe(), epochs=options.epochs, hidden=options.hidden)
    started = time.perf_counter()
    dataset = read_dataset(options.data, options.set)
    stays, deaths = len(dataset.deaths), int(dataset.deaths.sum())
    print(f"{dataset.name}: {stays} stays, {deaths} deaths, ", end="")
    print(f"read in {time.perf_counter() - started:.1f} s")
    seeds = {"split": SPLIT_SEED, "validation": VALIDATION_SEED, "model": MODEL_SEED}
    print("seeds:", ", ".join(f"{name} {seed}" for name, seed in seeds.items()))
    fitted = cross_validate(dataset, options.target, options.folds, recipe)
    found = result(
        fitted, recipe, data=dataset.name, stays=stays, target=options.target, seeds=seeds
    )
    print(summary(found))
    if options.compare:
        training = next(split(dataset.deaths, options.folds)).training
        print("timing an epoch of the first fold with every target:")
        timings = compare(dataset, training, recipe, MODEL_SEED)
        print(timing_table(timings))
        found["seconds_per_epoch_by_target"] = [asdict(timing) for timing in timings]
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
