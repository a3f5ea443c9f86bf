"""Reading the original files: every quirk of the data that the reader decides on."""

import io
import tarfile

import cleaning
import numpy as np
import pytest
from stays import SERIES, VARIABLES, Stay, parse_stay, read_deaths, read_stays
from tensors import to_steps

HEADER = "Time,Parameter,Value\n00:00,RecordID,132539\n00:00,Age,54\n00:00,Height,-1\n"


def stay_of(*rows: str) -> Stay:
    return parse_stay(HEADER + "".join(row + "\n" for row in rows))


def measured(stay: Stay) -> list[tuple[int, str, float]]:
    rows = zip(stay.minutes, stay.series, stay.values, strict=True)
    return [
        (int(minute), SERIES[index], pytest.approx(float(value))) for minute, index, value in rows
    ]


def test_there_are_33_variables_and_every_series_has_limits() -> None:
    assert len(VARIABLES) == len(set(VARIABLES)) == 33
    assert tuple(cleaning.PLAUSIBLE) == SERIES


def test_static_rows_and_ventilation_are_no_measurements() -> None:
    stay = stay_of("00:00,Gender,1", "00:00,ICUType,4", "00:07,MechVent,1", "00:07,HR,73")
    assert stay.record_id == 132539
    assert measured(stay) == [(7, "HR", 73.0)]


def test_admission_weight_is_a_measurement_and_minus_one_is_unknown() -> None:
    assert measured(stay_of("00:00,Weight,80.5")) == [(0, "Weight", 80.5)]
    assert measured(stay_of("00:00,Weight,-1")) == []


def test_the_last_minute_is_48_hours() -> None:
    assert measured(stay_of("48:00,HR,80")) == [(2880, "HR", 80.0)]


@pytest.mark.parametrize(
    "row",
    ["01:00,SysABP,0", "01:00,NIDiasABP,0", "01:00,RespRate,0", "01:00,Temp,-17.8", "01:00,HR,0"],
)
def test_zeros_and_negatives_are_dropped(row: str) -> None:
    assert measured(stay_of(row)) == []


def test_no_urine_is_a_measurement() -> None:
    assert measured(stay_of("01:00,Urine,0")) == [(60, "Urine", 0.0)]


def test_a_hundredfold_ph_is_put_right_and_an_impossible_one_dropped() -> None:
    assert measured(stay_of("01:00,pH,735", "02:00,pH,7.4", "03:00,pH,100")) == [
        (60, "pH", 7.35),
        (120, "pH", 7.4),
    ]


def test_the_last_of_two_values_at_one_stamp_wins() -> None:
    steps = to_steps(stay_of("01:00,HR,70", "01:00,HR,90"))
    assert steps.x[:, VARIABLES.index("HR")] == [90]


def test_the_last_stamp_of_a_ten_minute_step_wins() -> None:
    steps = to_steps(stay_of("01:01,HR,70", "01:09,HR,90", "01:10,HR,80"))
    assert steps.x[:, VARIABLES.index("HR")].tolist() == [90, 80]


@pytest.mark.parametrize(
    "rows", [("01:00,SysABP,120", "01:05,NISysABP,99"), ("01:00,NISysABP,99", "01:05,SysABP,120")]
)
def test_an_invasive_pressure_wins_over_the_cuff(rows: tuple[str, str]) -> None:
    assert to_steps(stay_of(*rows)).x[:, VARIABLES.index("SysABP")] == [120]


def test_a_cuff_pressure_stands_where_the_invasive_one_is_zero() -> None:
    steps = to_steps(stay_of("01:00,NIMAP,75", "01:00,MAP,0"))
    assert steps.x[:, VARIABLES.index("MAP")] == [75]


def test_a_stay_without_series_is_one_step_with_nothing_observed() -> None:
    steps = to_steps(stay_of("00:00,Weight,-1"))
    assert steps.x.shape == steps.m.shape == steps.delta.shape == (1, 33)
    assert not steps.m.any()
    assert not steps.delta.any()


@pytest.mark.parametrize("text", ["", "RecordID,SAPS-I\n1,2\n", "Time,Parameter,Value\n"])
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a stay"):
        parse_stay(text)


@pytest.mark.parametrize("row", ["01:00,HR", "01:00,HR,70,1", "01:60,HR,70", "01:00,HR,high"])
def test_a_malformed_row_is_refused_by_the_stays_number(row: str) -> None:
    with pytest.raises(ValueError, match="stay 132539"):
        stay_of(row, "02:00,HR,70")
    with pytest.raises(ValueError, match="stay 132539"):
        stay_of(row)


def test_an_archive_and_a_folder_read_alike(tmp_path) -> None:
    texts = {name: HEADER.replace("132539", name) + "01:00,HR,7\n" for name in ("2", "1")}
    folder = tmp_path / "set-a"
    folder.mkdir()
    with tarfile.open(tmp_path / "set-a.tar.gz", "w:gz") as archive:
        for name, text in texts.items():
            (folder / f"{name}.txt").write_text(text)
            entry = tarfile.TarInfo(f"set-a/{name}.txt")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    packed, loose = read_stays(tmp_path / "set-a.tar.gz"), read_stays(folder)
    assert [stay.record_id for stay in packed] == [stay.record_id for stay in loose] == [1, 2]
    assert all(np.array_equal(a.values, b.values) for a, b in zip(packed, loose, strict=True))


def test_an_empty_folder_is_an_error(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="no stay"):
        read_stays(tmp_path)


def test_deaths_are_read_from_the_outcomes(tmp_path) -> None:
    path = tmp_path / "Outcomes-a.txt"
    path.write_text(
        "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death\n"
        "132539,6,1,5,-1,0\n132540,16,8,8,2,1\n"
    )
    assert read_deaths(path) == {132539: False, 132540: True}
