"""Let the tests import the program that times the products, as it imports itself."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "bench"))
