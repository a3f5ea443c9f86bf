"""A progress line for the terminal, and plain lines where there is none."""

from __future__ import annotations

import sys
import time
from typing import TextIO

BAR_WIDTH = 24
REDRAW_SECONDS = 0.1


class Progress:
    """Show how far an epoch is, on one line that is drawn over; in a log, each epoch once.

    Args:
        label: what is under way, for example ``fold 2/5``.
        stream: where to write; drawn over only if it is a terminal.

    """

    def __init__(self, label: str, stream: TextIO = sys.stdout):
        self.label = label
        self.stream = stream
        self.live = stream.isatty()
        self.drawn_at = 0.0

    def advance(self, epoch: int, done: int, total: int) -> None:
        """Say that `done` of an epoch's `total` batches are done."""
        now = time.monotonic()
        if not self.live or (now - self.drawn_at < REDRAW_SECONDS and done < total):
            return
        self.drawn_at = now
        filled = BAR_WIDTH * done // total
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        self._write(f"\r{self.label}  epoch {epoch:2d} [{bar}] {done}/{total}\x1b[K")

    def epoch(self, epoch: int, report: str) -> None:
        """Report an epoch."""
        line = f"{self.label}  epoch {epoch:2d}  {report}"
        self._write(f"\r{line}\x1b[K" if self.live else f"{line}\n")

    def close(self, report: str) -> None:
        """Put the final word in the line's place."""
        start, end = ("\r", "\x1b[K\n") if self.live else ("", "\n")
        self._write(f"{start}{self.label}  {report}{end}")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
