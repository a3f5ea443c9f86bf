"""Read PhysioNet/CinC Challenge 2012 stays from their original text files.

One file is one stay in intensive care, with rows ``Time,Parameter,Value`` (``HH:MM`` since
admission, 00:00 to 48:00, in time order). `read_stays` takes them from a ``.tar.gz`` or a folder
and keeps what a recurrent model needs: the measurements of 36 time series, cleaned (see
`cleaning`). `Outcomes-*.txt` beside them says who died in hospital.
"""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
from cleaning import clean
from numpy.typing import NDArray

# The 33 variables of Che et al. (2018): all series but MechVent, the cuff pressures merged into
# the invasive ones.
VARIABLES: tuple[str, ...] = (
    *("ALP", "ALT", "AST", "Albumin", "BUN", "Bilirubin", "Cholesterol", "Creatinine"),
    *("DiasABP", "FiO2", "GCS", "Glucose", "HCO3", "HCT", "HR", "K", "Lactate", "MAP", "Mg"),
    *("Na", "PaCO2", "PaO2", "Platelets", "RespRate", "SaO2", "SysABP", "Temp", "TroponinI"),
    *("TroponinT", "Urine", "WBC", "Weight", "pH"),
)
CUFF_PRESSURES: dict[str, str] = {
    "NIDiasABP": "DiasABP",
    "NIMAP": "MAP",
    "NISysABP": "SysABP",
}
SERIES: tuple[str, ...] = (*VARIABLES, *CUFF_PRESSURES)

_SERIES_INDEX: dict[str, int] = {name: index for index, name in enumerate(SERIES)}
_MINUTES: dict[str, int] = {
    f"{minute // 60:02d}:{minute % 60:02d}": minute for minute in range(48 * 60 + 1)
}


@dataclass(frozen=True)
class Stay:
    """The cleaned measurements of one stay, in the order of the file.

    Attributes:
        record_id: the number in the file's name.
        minutes: minutes since admission, 0 to 2880, non-decreasing, shape (N,).
        series: index into `SERIES`, shape (N,).
        values: the measurement in the variable's own unit, shape (N,).

    """

    record_id: int
    minutes: NDArray[np.int16]
    series: NDArray[np.int8]
    values: NDArray[np.float32]


def parse_stay(text: str) -> Stay:
    """Parse the text of one file; rows of other parameters are skipped.

    The first Weight row is the admission weight (-1: not taken); it counts as a measurement at
    00:00, as in the published preparation. The other static rows are no time series.
    """
    # One flat list and strided views of it: much quicker than a loop over the rows.
    cells = text.rstrip("\n").replace("\n", ",").split(",")
    header, record = cells[:3], cells[3:6]
    if header != ["Time", "Parameter", "Value"] or record[1:2] != ["RecordID"]:
        raise ValueError("not a stay: it should start with Time,Parameter,Value and a RecordID row")
    if len(cells) % 3:
        raise ValueError(f"stay {record[2]}: every row should have three fields")
    series = np.fromiter(map(_SERIES_INDEX.get, cells[4::3], repeat(-1)), np.int8)
    try:
        minutes = np.fromiter(map(_MINUTES.__getitem__, cells[3::3]), np.int16)
        values = np.fromiter(map(float, cells[5::3]), np.float32)
    except (KeyError, ValueError) as error:
        raise ValueError(f"stay {record[2]}: not a Time,Parameter,Value row: {error}") from error
    kept = series >= 0
    minutes, series, values = minutes[kept], series[kept], values[kept]
    plausible, values = clean(series, values)
    return Stay(int(record[2]), minutes[plausible], series[plausible], values[plausible])


def read_stays(source: Path) -> list[Stay]:
    """Read every stay of a ``.tar.gz`` or a folder of original files, by record number.

    A stay without any measurement is kept: Che et al. count all 4,000 stays of set-a.
    """
    stays = [parse_stay(text) for text in _texts(source)]
    if not stays:
        raise FileNotFoundError(f"no stay (NNNNNN.txt) found in {source}")
    return sorted(stays, key=lambda stay: stay.record_id)


def _texts(source: Path) -> Iterator[str]:
    if source.is_dir():
        for path in source.glob("[0-9]*.txt"):
            yield path.read_text("ascii")
        return
    with tarfile.open(source, "r:gz") as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".txt"):
                content = archive.extractfile(member)
                assert content is not None
                yield content.read().decode("ascii")


def read_deaths(outcomes: Path) -> dict[int, bool]:
    """Read who died in hospital: record number to outcome."""
    with outcomes.open(newline="") as file:
        return {
            int(row["RecordID"]): row["In-hospital_death"] == "1" for row in csv.DictReader(file)
        }
