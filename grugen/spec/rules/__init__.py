"""What a spec must keep beyond its form: one function per rule, each finding all breaches of it.

Rules see the merged draft and know nothing of each other; `check` asks them all.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from grugen.errors import Diagnostic
from grugen.spec.draft import Draft
from grugen.spec.rules import calls, declared, interchange, names, outputs, values

Rule = Callable[[Draft], Iterator[Diagnostic]]
RULES: tuple[Rule, ...] = (
    *names.RULES,
    *declared.RULES,
    *values.RULES,
    *calls.RULES,
    *outputs.RULES,
    *interchange.RULES,
)
MOST_FOUND = 50
"""Of one rule: a spec made to have thousands of mistakes should not take minutes to refuse."""


def check(draft: Draft) -> list[Diagnostic]:
    """The breaches of all rules; what is not used is looked for only where all else is well."""
    return _breaches(draft, RULES) or _breaches(draft, values.USE_RULES)


def _breaches(draft: Draft, rules: tuple[Rule, ...]) -> list[Diagnostic]:
    return [breach for rule in rules for breach in itertools.islice(rule(draft), MOST_FOUND)]
