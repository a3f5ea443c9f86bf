"""Who must wait for whom: every conflict of two threads has a meeting, every meeting a conflict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_cells import CELLS, VALID

from grugen.driver import compile_spec
from grugen.spec.dims import Dim
from grugen.target.meetings import Access, Array, Meeting, Turn, Way, loop_accesses, meetings
from grugen.target.plan import Buffer, Index, KernelPlan, Loop
from grugen.target.planning import plan_cuda, reads_in
from grugen.target.step_meetings import step_meetings, steps_of

H = Dim.named("H")
SPREAD = ("spread", H)
OTHER = ("spread", Dim.fixed(3))

A, B, C = (Buffer(name, Index.TILE_SEQUENCE, H) for name in "abc")
NUMBER = Dim.fixed(1)
N = Buffer("n", Index.TILE_SEQUENCE, NUMBER, number=True)

BLOCKS = 2


def access(
    way: Way | None = SPREAD,
    own: Sequence[Buffer] = (),
    whole: Sequence[Buffer] = (),
    written: Sequence[Buffer] = (),
) -> Access:
    return Access(way, frozenset(own), frozenset(whole), frozenset(written))


@pytest.mark.parametrize(
    ("before", "after", "level"),
    [
        # the same thread has the element in both
        (access(written=[A]), access(own=[A]), Meeting.NONE),
        (access(own=[A]), access(written=[A]), Meeting.NONE),
        (access(written=[A]), access(written=[A]), Meeting.NONE),
        # another thread of the block has it
        (access(written=[A]), access(OTHER, own=[A]), Meeting.BLOCK),
        (access(OTHER, own=[A]), access(written=[A]), Meeting.BLOCK),
        (access(written=[A]), access(None, own=[A]), Meeting.BLOCK),
        (access(None, written=[A]), access(None, written=[A]), Meeting.BLOCK),
        # any thread reads it
        (access(written=[A]), access(None, whole=[A]), Meeting.ALL),
        (access(written=[A]), access(whole=[A]), Meeting.ALL),
        (access(None, whole=[A]), access(written=[A]), Meeting.ALL),
        # numbers are each block's own
        (access(None, written=[N]), access(whole=[N]), Meeting.BLOCK),
        (access(whole=[N]), access(None, written=[N]), Meeting.BLOCK),
        # reading disturbs nobody, nor do other arrays
        (access(whole=[A]), access(None, own=[A], whole=[A]), Meeting.NONE),
        (access(written=[A]), access(None, own=[B], whole=[C]), Meeting.NONE),
    ],
)
def test_two(before: Access, after: Access, level: Meeting) -> None:
    assert meetings([[before, after]]) == (Meeting.NONE, level)


def test_one_meeting_serves_all_before_it() -> None:
    found = meetings(
        [
            [
                access(written=[A]),
                access(written=[B]),
                access(None, whole=[A], written=[C]),
                access(None, whole=[B]),
                access(None, own=[C]),
            ]
        ]
    )
    # the last one: the third nest wrote behind the meeting
    assert found == (
        Meeting.NONE,
        Meeting.NONE,
        Meeting.ALL,
        Meeting.NONE,
        Meeting.BLOCK,
    )


def test_a_block_that_met_has_not_met_others() -> None:
    found = meetings(
        [[access(written=[A, N]), access(None, whole=[N], written=[B]), access(None, whole=[A, B])]]
    )
    assert found == (Meeting.NONE, Meeting.BLOCK, Meeting.ALL)


def test_blocks_that_meet_early_need_not_meet_twice() -> None:
    found = meetings([[access(written=[A, N]), access(None, whole=[N]), access(None, whole=[A])]])
    assert found == (Meeting.NONE, Meeting.ALL, Meeting.NONE)


def test_the_last_of_a_step_and_the_first_of_the_next() -> None:
    """One meeting for what is read whole in the next step, wherever it costs least."""
    state, value = Turn(A, 0), Turn(A, 1)
    even = [access(own=[state]), access(None, own=[state], whole=[state], written=[value])]
    odd = [access(own=[value]), access(None, own=[value], whole=[value], written=[state])]
    assert meetings([even, odd, even]) == (Meeting.ALL, Meeting.NONE)


def test_two_pieces_of_memory_save_a_meeting() -> None:
    writes, reads = access(written=[A]), access(None, whole=[A])
    assert meetings([[writes, reads]] * 3) == (Meeting.ALL, Meeting.ALL)
    in_turn = [
        [access(written=[Turn(A, step % 2)]), access(None, whole=[Turn(A, step % 2)])]
        for step in range(4)
    ]
    assert meetings(in_turn) == (Meeting.NONE, Meeting.ALL)


# --- what meetings mean, told again: threads, elements and who comes before whom ------------------

Thread = tuple[int, int]
Touch = tuple[Thread, tuple[object, ...], bool]


def touches(accesses: Sequence[Access], number: int) -> Iterator[Touch]:
    """Each thread's accesses to elements in one nest, and whether it writes.

    A block has as many elements of a vector as lanes; each `way` gives them to other lanes.
    """
    ways = [one.way if one.way is not None else index for index, one in enumerate(accesses)]
    shift = list(dict.fromkeys(ways)).index(ways[number])
    lanes = len(accesses) + 1
    one = accesses[number]
    for block in range(BLOCKS):
        for lane in range(lanes):
            thread = (block, lane)
            place = (block, (lane + shift) % lanes)
            for array in one.own | one.written:
                if not array.number:  # type: ignore[union-attr]
                    yield thread, (array, *place), array in one.written
            for array in one.own | one.whole | one.written:
                if array.number:  # type: ignore[union-attr]
                    # all lanes read a number of their block, one writes it
                    if array in one.own | one.whole:
                        yield thread, (array, block), False
                    if array in one.written and place[1] == 0:
                        yield thread, (array, block), True
                elif array in one.whole:
                    for where in ((b, k) for b in range(BLOCKS) for k in range(lanes)):
                        yield thread, (array, *where), False


def required(accesses: Sequence[Access]) -> dict[tuple[int, int], Meeting]:
    """For each two nests what must lie between them, if anything must."""
    touched: list[dict[object, tuple[set[Thread], set[Thread]]]] = []
    for number in range(len(accesses)):
        places: dict[object, tuple[set[Thread], set[Thread]]] = {}
        for thread, place, writes in touches(accesses, number):
            everyone, writers = places.setdefault(place, (set(), set()))
            everyone.add(thread)
            if writes:
                writers.add(thread)
        touched.append(places)
    found: dict[tuple[int, int], Meeting] = {}
    for (first, before), (last, after) in combinations(enumerate(touched), 2):
        for place in before.keys() & after.keys():
            pairs = {*product(before[place][1], after[place][0])}
            pairs |= {*product(before[place][0], after[place][1])}
            for (block, lane), (other, another) in pairs:
                if (block, lane) != (other, another):
                    level = Meeting.BLOCK if block == other else Meeting.ALL
                    found[first, last] = max(level, found.get((first, last), level))
    return found


def conflicts(
    needed: Mapping[tuple[int, int], Meeting], levels: Sequence[Meeting]
) -> list[tuple[int, int]]:
    """Pairs of nests in which two threads meet in memory without order."""
    return [
        (first, last)
        for (first, last), level in needed.items()
        if max(levels[first + 1 : last + 1]) < level
    ]


def lowered(levels: Sequence[Meeting]) -> Iterator[tuple[Meeting, ...]]:
    """The same with one meeting left out, or with blocks in place of all."""
    for number, level in enumerate(levels):
        for less in range(level):
            yield (*levels[:number], Meeting(less), *levels[number + 1 :])


vectors = st.frozensets(st.sampled_from([A, B, C]), max_size=2)
arrays = st.frozensets(st.sampled_from([A, B, C, N]), max_size=2)
# numbers are found whole, and written by nests that go through no elements
nests = st.one_of(
    st.builds(Access, st.sampled_from([SPREAD, OTHER]), vectors, arrays, vectors),
    st.builds(Access, st.none(), vectors, arrays, arrays),
)
loops = st.lists(nests.filter(lambda one: not one.whole & one.written), min_size=1, max_size=5)


@given(loops, st.integers(min_value=1, max_value=3))
def test_no_conflict_is_left(accesses: list[Access], steps: int) -> None:
    levels = meetings([accesses] * steps)
    assert not conflicts(required(accesses * steps), levels * steps)


@pytest.mark.parametrize("name", CELLS)
def test_every_meeting_of_a_cell_is_needed(name: str) -> None:
    for direction, plan, loop in loops_of(name):
        accesses = loop_accesses(plan, loop, reads_in(plan, loop))
        # what a nest reads at other places it does not write: nobody could order that
        assert not any(one.whole & one.written for one in accesses)
        found = step_meetings(plan, loop, reads_in(plan, loop))
        levels = (found.end, *found.levels)

        def unordered(levels: Sequence[Meeting], doubled: Sequence[Buffer]) -> bool:
            steps = steps_of(plan, loop, accesses, doubled)  # noqa: B023
            flat = [_without_arguments(one) for step in steps for one in step]
            return bool(conflicts(required(flat), [*levels] * len(steps)))

        assert not unordered(levels, found.doubled)
        for less in lowered(levels):
            assert unordered(less, found.doubled), f"{direction}: {levels} could be {less}"
        for buffer in found.doubled:
            rest = [other for other in found.doubled if other != buffer]
            assert unordered(levels, rest), f"{direction}: {buffer.name} needs no second piece"


def test_blocks_meet_once_for_each_product() -> None:
    """What a product gathers is there after one meeting; what it leaves needs no second one."""
    found = {
        direction: step_meetings(plan, loop, reads_in(plan, loop))
        for direction, plan, loop in loops_of("gru_reset_after")
    }
    none, block, everyone = Meeting
    assert found["forward"].levels == (none,)
    assert found["forward"].end == everyone
    for direction in ("backward", "backward_states"):
        assert found[direction].levels == (none, everyone)
        assert found[direction].end == block
        doubled = {buffer.name for buffer in found[direction].doubled}
        assert doubled == {"d_c_n", "d_z_pre.near", "d_r_pre.near"}


def loops_of(name: str) -> Iterator[tuple[str, KernelPlan, Loop]]:
    steps = compile_spec(VALID.get(name, name)).steps
    kernels = {
        "forward": steps.forward,
        "backward": steps.backward,
        "backward_states": steps.backward_states,
    }
    for direction, function in kernels.items():
        plan = plan_cuda(function, direction)
        for part in plan.body:
            if isinstance(part, Loop) and not part.in_place:
                yield direction, plan, part


def _without_arguments(one: Access) -> Access:
    """Arrays of the caller, and pieces of memory, as buffers: all that counts is what they are."""

    def buffer(array: Array) -> Buffer:
        if isinstance(array, Buffer):
            return array
        if isinstance(array, Turn):
            of = buffer(array.array)
            return replace(of, name=f"{of.name} {array.number}")
        number = not array.shape
        width = H if array.shape else NUMBER
        return Buffer(f"{array.group} {array.key}", Index.STEP, width, number=number)

    def buffers(group: frozenset[Array]) -> frozenset[Array]:
        return frozenset(map(buffer, group))

    return Access(one.way, buffers(one.own), buffers(one.whole), buffers(one.written))
