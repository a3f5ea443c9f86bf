"""Runs one kernel under the address sanitizer; run by test_planted_bugs.

A process of its own: the sanitizer must be loaded before Python is, and ends it at what it finds.
"""

from __future__ import annotations

import ctypes
import sys

COUNT = 64


def main(library: str, function: str) -> None:
    results = (ctypes.c_float * COUNT)()
    print("status", getattr(ctypes.CDLL(library), function)(results, COUNT))


if __name__ == "__main__":
    main(*sys.argv[1:])
