"""All cells that are shipped or described, and what calls of them have to know."""

from __future__ import annotations

from pathlib import Path

from grugen.assets import shipped_specs

VALID = {path.stem: path for path in sorted(Path(__file__).parent.glob("spec/valid/*.yaml"))}
CELLS = (*shipped_specs(), *VALID)
READS_X_WHERE_M = {"gru_d", "gru_d_dropout", "gru_forward", "gru_mean", "gru_simple"}
POSITIVE = {"every_function": "three"}
"""A parameter whose sum is a divisor: near 0 no rounding error would be small."""
