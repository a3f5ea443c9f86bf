"""What templates see: strings and tuples of strings, nothing to call and nothing to decide."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OperandView:
    """A vector that a stage multiplies: where it is in each row, kept in `target`."""

    rows: tuple[str, ...]
    target: str
    pointer: str


@dataclass(frozen=True, slots=True)
class RoundView:
    """One loop over the rows of a stage's tile, behind its `heads`.

    `rows` declares what picks the row, `lines` run for a vector of each.
    """

    heads: tuple[str, ...]
    rows: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NestView:
    """One nest for one row.

    `rows` declares what picks the row, `pointers` the rows that are read and written. A loop has
    `size` and runs `lines` for each element, or for each of its `vectors`, with `steady` lines
    first that are the same for all rows; straight code has no size. A stage has the calls that
    `multiplies` tiles of all rows, their `operands`, as many sums as it is `wide`, and `rounds`
    instead of rows and lines. The `mark` tells an instrumented build what begins.
    """

    title: str
    rows: tuple[str, ...]
    pointers: tuple[str, ...]
    size: str
    lines: tuple[str, ...]
    steady: tuple[str, ...] = ()
    vectors: bool = False
    operands: tuple[OperandView, ...] = ()
    multiplies: tuple[str, ...] = ()
    wide: str = ""
    rounds: tuple[RoundView, ...] = ()
    mark: str = ""


@dataclass(frozen=True, slots=True)
class PhaseView:
    """A function over rows: the structs, sizes and constants it mentions, its nests.

    `pointers` are declared for a row where all nests of the row share them. A loop's `carries`
    bring the states to where the next step finds them, its `wants` list the rows of that step.
    """

    name: str
    heads: tuple[str, ...]
    sizes: tuple[str, ...]
    constants: tuple[str, ...]
    pointers: tuple[str, ...]
    nests: tuple[NestView, ...]
    carries: tuple[NestView, ...]
    loop: bool
    wants: tuple[str, ...] = ()
    specialised: str = ""
    keep_parameter: str = ""
    keep_argument: str = ""


@dataclass(frozen=True, slots=True)
class BlockView:
    """Lines in a scope of their own, and the sizes they mention."""

    sizes: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MemoryView:
    """A struct of the kernel's own memory: its members, and the lines that carve them out."""

    members: tuple[str, ...]
    sizes: tuple[str, ...]
    takes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KernelView:
    """One kernel, forward or backward.

    With a tape to write (`keeps_tape`), what writes it is `specialised`: inlined for none, for the
    states and for all of it, through a parameter that is a constant where it is called.
    `work` is shared by all threads, `tile` belongs to one or to a team, `own` to each member;
    `meets` is 1 if the members of a team meet in every step, and 0 if all loops run in place;
    `row_bytes` is what a row of a time block takes of a tile. A stage multiplies `most_operands`
    vectors at most, `operands` counts them. `packs` fill the `panels` of packed weights. `starts`
    and `ends` load and hand out the states of a sequence (`ends` knows the sizes of `past_the_end`,
    too); `clears` zero what is summed up, `past_the_end` the outputs of a row that belongs to no
    sequence.
    `components` are what an instrumented build tells apart, `packing` and `rest` marks of two.
    """

    symbol: str
    title: str
    real: str
    keeps_tape: bool
    specialised: str
    keep_parameter: str
    work: MemoryView
    own: MemoryView
    tile: MemoryView
    operands: tuple[str, ...]
    most_operands: str
    meets: str
    row_bytes: BlockView
    panels: MemoryView
    packs: BlockView
    once: PhaseView
    per_sequence: PhaseView
    body: tuple[PhaseView, ...]
    starts: BlockView
    ends: BlockView
    clears: BlockView
    past_the_end: BlockView
    totals: BlockView
    components: tuple[str, ...]
    packing: str
    rest: str


@dataclass(frozen=True, slots=True)
class TileView:
    """The shapes of product tiles for one instruction set, behind `condition`.

    `rows_of` is an expression in `v`, for 1 to `most_vectors` of them.
    """

    condition: str
    vector_bytes: str
    most_vectors: str
    rows_of: str


@dataclass(frozen=True, slots=True)
class FileView:
    """One C file; `kernels` are rendered already, forward and backward."""

    banner: tuple[str, ...]
    stem: str
    real: str
    real_is_f32: str
    tiles: tuple[TileView, ...]
    tile_sequences: str
    block_bytes: str
    kernels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupView:
    """A member of a kernel's struct that holds the arguments of one group."""

    name: str
    title: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StructView:
    """The struct of one kernel's arguments, and its two functions."""

    symbol: str
    title: str
    dims: tuple[str, ...]
    groups: tuple[GroupView, ...]


@dataclass(frozen=True, slots=True)
class HeaderView:
    """The declarations of a library."""

    banner: tuple[str, ...]
    stem: str
    structs: tuple[StructView, ...]


@dataclass(frozen=True, slots=True)
class ModuleView:
    """The Python module of a built cell; all but `names` are Python text."""

    docstring: str
    spec_name: str
    digest: str
    names: tuple[str, ...]
    interface: str
    builds: str
    march: str
    arch: str
    products: str
