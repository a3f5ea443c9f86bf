"""Turn the raw numbers of PhysioNet 2012 into measurements.

The files hold -1 for "unknown", zeros where a sensor was off, a few temperatures of -17.8 (0
degrees Fahrenheit), and slips such as a pH of 735. A slip whose factor is plain from the value is
put right; what then lies outside the wide limits of `PLAUSIBLE` is dropped, so that it counts as
not observed. The limits are physiology and the range of instruments, not quantiles of the data.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Lowest and highest plausible value; the order is that of `stays.SERIES`. Urine output is the
# only series in which 0 is a measurement.
PLAUSIBLE: dict[str, tuple[float, float]] = {
    "ALP": (1, 10_000),
    "ALT": (1, 50_000),
    "AST": (1, 50_000),
    "Albumin": (0.2, 10),
    "BUN": (0.5, 400),
    "Bilirubin": (0.05, 100),
    "Cholesterol": (10, 1_000),
    "Creatinine": (0.05, 50),
    "DiasABP": (5, 200),
    "FiO2": (0.2, 1),
    "GCS": (3, 15),
    "Glucose": (5, 3_000),
    "HCO3": (2, 80),
    "HCT": (5, 80),
    "HR": (5, 300),
    "K": (1, 15),
    "Lactate": (0.1, 50),
    "MAP": (5, 250),
    "Mg": (0.2, 20),
    "Na": (80, 200),
    "PaCO2": (5, 250),
    "PaO2": (10, 800),
    "Platelets": (1, 3_000),
    "RespRate": (1, 100),
    "SaO2": (10, 100),
    "SysABP": (10, 300),
    "Temp": (20, 45),
    "TroponinI": (0.001, 500),
    "TroponinT": (0.001, 500),
    "Urine": (0, 15_000),
    "WBC": (0.05, 1_000),
    "Weight": (20, 350),
    "pH": (6.5, 8.0),
    "NIDiasABP": (5, 200),
    "NIMAP": (5, 250),
    "NISysABP": (10, 300),
}

_LIMITS = np.array(list(PLAUSIBLE.values()), np.float32)
_PH = list(PLAUSIBLE).index("pH")


def clean(
    series: NDArray[np.int8], values: NDArray[np.float32]
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Put unit slips right and say which values are plausible.

    Args:
        series: index into `PLAUSIBLE` (the order of `stays.SERIES`), shape (N,).
        values: raw values, shape (N,).

    Returns:
        which values are kept, shape (N,), and all values, corrected.

    """
    hundredfold = (series == _PH) & (values > 650) & (values < 800)
    values = np.where(hundredfold, values / 100, values)
    low, high = _LIMITS[series].T
    return (values >= low) & (values <= high), values
