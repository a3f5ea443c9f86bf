"""In how many loops over the rows of a tile the epilogue of a stage runs.

Functions that need each other, such as the tanh of what a sigmoid lets pass, are a long chain of
operations, and a processor has too few rows in flight to work on others while it waits for one. So
all rows have their first functions computed, and then all rows the next ones. What a later round
reads waits in accumulators whose sums nobody needs any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from grugen.ir.nodes import Let, Op
from grugen.target.nests import INLINE, Pointwise
from grugen.target.stages import Stage

FUNCTIONS = frozenset({Op.EXP, Op.LOG, Op.SIGMOID, Op.TANH, Op.SOFTPLUS, Op.POWER})
"""What takes so many operations one after the other that it is worth a round."""


@dataclass(frozen=True, slots=True)
class Round:
    """Lines that run for all rows of a tile before those of the next round do.

    `enters` has the values that earlier rounds left, by the number of the accumulator that holds
    them, `leaves` those that later ones read.
    """

    lets: tuple[Let, ...]
    enters: Mapping[str, int]
    leaves: Mapping[str, int]


def rounds_of(
    nest: Pointwise, stage: Stage, stored: Collection[str], copied: Collection[str]
) -> tuple[Round, ...]:
    """The rounds of `nest`; one, where too few accumulators are free for what goes on.

    Values that are `stored`, or have a name in the spec, are computed as soon as they can be,
    others when they are first read. The last round reads what is `copied`.
    """
    together = (Round(nest.lets, {}, {}),)
    home = _homes(nest, stage, stored)
    count = 1 + max(home.values())
    if count == 1:
        return together
    products = {*stage.sums, *stage.inner}
    last = dict(home)
    for let in nest.lets:
        for arg in let.args:
            # the products that a sum adds up are no values of their own
            if let.name not in products:
                last[arg] = max(last.get(arg, 0), home[let.name])
    last |= {value: count - 1 for value in copied}
    slots = dict(zip(stage.sums, range(len(stage.sums)), strict=True))
    for number in range(count):
        busy = {slot for value, slot in slots.items() if last[value] > number}
        free = [slot for slot in range(len(stage.sums)) if slot not in busy]
        for let in nest.lets:
            goes_on = home[let.name] == number < last[let.name] and let.op not in INLINE
            if goes_on and let.name not in slots:
                if not free:
                    return together
                slots[let.name] = free.pop(0)
    rounds: list[Round] = []
    for number in range(count):
        lets = tuple(let for let in nest.lets if home[let.name] == number)
        read = {arg for let in lets for arg in let.args}
        if number == count - 1:
            read |= {*copied}
        before = {value: slot for value, slot in slots.items() if home[value] < number}
        leaves = {
            value: slot
            for value, slot in slots.items()
            if home[value] == number < last[value] and value not in stage.sums
        }
        enters = {value: slot for value, slot in before.items() if value in read}
        rounds.append(Round(lets, enters, leaves))
    return tuple(rounds)


def _homes(nest: Pointwise, stage: Stage, stored: Collection[str]) -> dict[str, int]:
    """The round of each line."""
    functions = dict.fromkeys((*stage.sums, *stage.inner), 0)
    """The most functions one after the other up to a value."""
    home = dict(functions)
    users: dict[str, list[str]] = {}
    for let in nest.lets:
        if let.name in home:
            continue
        for arg in let.args:
            users.setdefault(arg, []).append(let.name)
        before = max((functions.get(arg, 0) for arg in let.args), default=0)
        is_function = let.op in FUNCTIONS
        functions[let.name] = before + is_function
        home[let.name] = before if is_function else max(before - 1, 0)
    for let in reversed(nest.lets):
        value = let.name
        early = let.op in FUNCTIONS or let.given or value in stored
        if value in users and (value in stage.sums or not early):
            home[value] = min(home[user] for user in users[value])
    return home
