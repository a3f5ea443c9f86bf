"""Rewrites the numbers of a README from a result, so that they are never typed."""

from __future__ import annotations

import os
from pathlib import Path

from grugen.bench.results import Report
from grugen.bench.table import report_text
from grugen.errors import UsageError

BEGIN = "<!-- bench: written by  grugen bench --render FILE --readme README.md -->"
END = "<!-- /bench -->"


def rewrite(readme: Path, report: Report, picture: Path) -> bool:
    """Put table and picture between BEGIN and END; returns whether the file changed."""
    try:
        text = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read '{readme}': {error.strerror or error}") from error
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(
            f"'{readme}' has no place for numbers\n"
            f"help: write these two lines where they belong:\n{BEGIN}\n{END}"
        )
    link = Path(os.path.relpath(picture, readme.parent)).as_posix()
    shown = f"![Speedups]({link})\n\n" if picture.is_file() else ""
    new = f"{before}{BEGIN}\n\n{shown}{report_text(report)}\n{END}{after}"
    if new == text:
        return False
    readme.write_text(new, encoding="utf-8")
    return True
