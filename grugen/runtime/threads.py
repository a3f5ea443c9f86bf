"""How many threads a call uses when it does not say.

OMP_NUM_THREADS where it is set, else as many as this process may really use. Kernels get the number
with each call; OpenMP's own settings are left alone.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from grugen.errors import UsageError
from grugen.runtime.cgroup import quotas

# the one setting of the process, as OMP_NUM_THREADS is
_chosen: int | None = None
# a child that is forked after a call on several threads has OpenMP's state, but none of its
# threads: it would wait for them for ever
_parallel = False
_forked = False


def set_num_threads(n: int) -> None:
    """Use `n` threads in every later call of any cell that does not give `threads=`."""
    global _chosen  # noqa: PLW0603 - a setting of the process is what is wanted
    _chosen = checked_threads(n)


def get_num_threads() -> int:
    """The number of threads a call uses when it does not give `threads=`."""
    return _default() if _chosen is None else _chosen


def usable_threads(n: int) -> int:
    """`n`, or 1 in a process that was forked from one with OpenMP threads: they do not survive.

    Results are the same bits for any number of threads.
    """
    global _parallel  # noqa: PLW0603 - a fact about the process
    if _forked:
        return 1
    _parallel = _parallel or n > 1
    return n


def likely_threads(n: int | None) -> int:
    """How many threads a call uses that says `n`, if `n` is right: it is not checked.

    For who only looks whether there was such a call before.
    """
    count = get_num_threads() if n is None else n
    # what is wrong stays wrong
    return 1 if _forked and 1 <= count < 2**31 else count


def _after_fork() -> None:
    global _forked  # noqa: PLW0603 - a fact about the process
    _forked = _parallel


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def checked_threads(n: object) -> int:
    """`n` as a number of threads. Raises UsageError unless it is a whole number of at least 1."""
    try:
        count = 0 if isinstance(n, bool) else operator.index(n)  # type: ignore[arg-type]
    except TypeError:
        count = 0
    if not 1 <= count < 2**31:
        raise UsageError(f"threads is {n!r}; a whole number of at least 1 is needed")
    return count


@cache
def _default() -> int:
    # asked once, as OpenMP does: it reads files, and a call should cost microseconds
    return default_threads(os.environ)


def default_threads(environment: Mapping[str, str], root: Path = Path("/")) -> int:
    """OMP_NUM_THREADS, else the smaller of CPU affinity and cgroup quota, at least 1."""
    # `4,2` gives the threads of each nested level
    wanted = environment.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if wanted.isdecimal() and 1 <= int(wanted) < 2**31:
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        usable = len(os.sched_getaffinity(0))
    else:
        usable = os.cpu_count() or 1
    # rounded down: threads that share a core wait for each other at every barrier
    return max(1, min([usable, *(int(quota) for quota in quotas(root))]))
