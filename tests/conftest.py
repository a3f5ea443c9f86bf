"""What all tests share: the cache folder, the option for expected texts, how hard to look."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# threads that wait do not spin: tests run more threads than there are cores
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# the same examples in every run: what CI finds, everyone finds
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("fuzz", parent=settings.get_profile("ci"), derandomize=False)
settings.load_profile(os.environ.get("GRUGEN_HYPOTHESIS", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the expected texts anew")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was left out, once for each reason."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = (report.longrepr[-1] for report in skipped if isinstance(report.longrepr, tuple))
    for reason, count in Counter(reasons).items():
        terminalreporter.write_line(f"{count} left out: {reason.removeprefix('Skipped: ')}")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Libraries are built anew in every run of the tests."""
    folder: Path = tmp_path_factory.mktemp("libraries")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRUGEN_CACHE", str(folder))
        yield
