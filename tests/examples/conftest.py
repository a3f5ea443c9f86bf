"""Let the tests import the example's modules as the example itself does."""

import sys
from pathlib import Path

PHYSIONET = Path(__file__).resolve().parents[2] / "examples" / "physionet"
sys.path[:0] = [str(PHYSIONET), str(PHYSIONET / "sample")]
