"""Rewrites the numbers of a README from a result, so that they are never typed."""

from __future__ import annotations

import os
from pathlib import Path

from grugen.bench.results import Report
from grugen.bench.table import report_text
from grugen.errors import UsageError

BEGIN = "<!-- bench: written by  grugen bench --render FILE --readme README.md -->"
END = "<!-- /bench -->"
MARKS = {
    "openmp": (BEGIN, END),
    "cuda": (BEGIN.replace("bench:", "bench cuda:"), END.replace("bench", "bench cuda")),
}
"""What stands around the numbers of a target."""


def rewrite(readme: Path, report: Report, picture: Path) -> bool:
    """Put table and picture between the marks of its target; returns whether the file changed."""
    try:
        text = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read '{readme}': {error.strerror or error}") from error
    marks = MARKS[report.target]
    before, begin, rest = text.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise UsageError(
            f"'{readme}' has no place for numbers\n"
            f"help: write these two lines where they belong:\n{marks[0]}\n{marks[1]}"
        )
    link = Path(os.path.relpath(picture, readme.parent)).as_posix()
    shown = f"![Speedups]({link})\n\n" if picture.is_file() else ""
    new = f"{before}{begin}\n\n{shown}{report_text(report)}\n{end}{after}"
    if new == text:
        return False
    readme.write_text(new, encoding="utf-8")
    return True
