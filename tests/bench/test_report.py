"""From a report to JSON and back, to a table, to a README."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import samples

from grugen.bench.machine import file_stem, instructions
from grugen.bench.readme import BEGIN, END, rewrite
from grugen.bench.results import read, write
from grugen.bench.scaling import by_batch
from grugen.bench.stats import times_of
from grugen.bench.table import best_peer, report_text
from grugen.errors import ToolchainError, UsageError


def test_statistics() -> None:
    times = times_of([4.0, 1.0, 2.0, 3.0, 100.0])
    assert (times.median, times.minimum, times.maximum, times.samples) == (3.0, 1.0, 100.0, 5)
    assert times.spread == pytest.approx((4 - 2) / 3)
    assert times_of([2.0]).spread == 0.0


def test_report_survives_its_json(tmp_path: Path) -> None:
    file = tmp_path / "new" / "result.json"
    write(samples.report(), file)
    assert read(file) == samples.report()


def test_json_has_what_others_read(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    write(samples.report(), file)
    data = json.loads(file.read_text())
    assert set(data) == {"format", "machine", "settings", "peak", "cases", "checks"}
    openmp = data["cases"][0]["engines"][2]
    assert openmp["engine"] == "openmp"
    assert set(openmp["times"]) == {"median", "minimum", "maximum", "spread", "samples"}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 99}'])
def test_files_that_are_no_results(text: str, tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"cannot read|is no result"):
        read(file)


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ToolchainError, match="help: name a folder"):
        write(samples.report(), tmp_path / "taken" / "result.json")


def test_table() -> None:
    text = report_text(samples.report())
    assert text.startswith(
        "Forward, microseconds a call (median)\n\n"
        "| cell  | T, B, D, H | sequential | openmp, 1 thread | openmp, 2 threads | torch "
        "| best peer / openmp | GFLOP/s | of peak | of read rate | CPUs free |\n"
    )
    assert (
        "| leaky | 10,1,3,4   |      4,000 |            2,000 |             1,000 | 3,000 "
        "|     3.00 x (torch) |       2 |     10% |           0% |       90% |\n"
    ) in text
    assert "Forward and backward, microseconds a call (median)" in text
    assert "Some CPU, 2 CPUs, AVX2, cc 1.0, 2026-01-02, load 0.1 at the start." in text
    assert "- jax skipped: jax not installed (2 cases)\n" in text
    assert "- openvino wrong: far away (2 cases)\n" in text


def test_no_peer_at_all() -> None:
    case = samples.case()
    alone = replace(case, engines=case.engines[:3])
    assert best_peer(alone) is None
    assert "| openmp, 2 threads |" in report_text(replace(samples.report(), cases=(alone,)))


def test_series_of_batches() -> None:
    cases = tuple(samples.case(batch=batch) for batch in (8, 1, 4))
    (series,) = by_batch(replace(samples.report(), cases=(*cases, samples.case(steps=2)))).values()
    assert [case.batch for case in series] == [1, 4, 8]


def test_readme_is_rewritten_between_its_comments(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    picture = tmp_path / "results" / "a.png"
    readme.write_text(f"before\n{BEGIN}\nold numbers\n{END}\nafter\n")
    assert rewrite(readme, samples.report(), picture)
    text = readme.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\nForward, micro")
    assert text.endswith(f"\n{END}\nafter\n")
    assert "old numbers" not in text
    assert not rewrite(readme, samples.report(), picture)
    picture.parent.mkdir()
    picture.write_bytes(b"")
    assert rewrite(readme, samples.report(), picture)
    assert "![Speedups](results/a.png)" in readme.read_text()


def test_readme_without_a_place(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing")
    with pytest.raises(UsageError, match="has no place for numbers"):
        rewrite(readme, samples.report(), tmp_path / "a.png")


def test_names_of_machines() -> None:
    assert file_stem(samples.MACHINE) == "2026-01-02-some-cpu-2-cpus"
    assert instructions("flags: sse2 avx avx2 avx512f") == "AVX-512"
    assert instructions("Features: asimd fp") == "NEON"
    assert instructions("") == "none"
