"""What the templates of target `cuda` see: strings and tuples of strings, as in `views`."""

from __future__ import annotations

from dataclasses import dataclass

from grugen.render.views import BlockView, MemoryView


@dataclass(frozen=True, slots=True)
class CudaOperandView:
    """A vector of `element`s that a stage multiplies: `name` holds where each row of a tile has it.

    Where rows are gathered, those of this vector are in the memory `gathered`: they come by `take`
    after all that are posted were asked for by `ask`. On tensor cores `ask` declares what a lane
    waits for, and `take` has it turn to the next eight rows. One that sequences have their `own`
    memory for may be in a block's shared memory.
    """

    name: str
    element: str
    rows: tuple[str, ...]
    pointer: str
    depth: str
    own: str
    aligned: str
    layout: str
    gathered: str
    ask: str
    take: str


@dataclass(frozen=True, slots=True)
class ProductView:
    """The packed matrices of a `panel` times the vector at `pointer`, for tiles of many rows."""

    template: str
    panel: str
    depth: str
    rows: tuple[str, ...]
    pointer: str


@dataclass(frozen=True, slots=True)
class CudaNestView:
    """One nest as a function of its own, for rows of any kind.

    It is a stage if it has `multiplies`, runs over elements if it has a `size`, and computes
    numbers of a row otherwise. `rows` declares what picks a row, `steady` what is the same for
    all rows. What a stage finds in memory is declared `early`, and it `asks` for it. Another nest
    of a loop `finds` what the loop does not write one step before; `ahead` has the members of the
    struct that keeps it. A lane of a stage that has the same unit of the same sequence in all steps
    has a struct with the members `kept`: it `takes_unit`, what others `reads_unit` in every step,
    and `takes` what it asked for in the step before; `find_first` is what it does before the loop.
    `hints` have a later step's elements, of `hint_rows`, brought near. Who `looks_ahead` does so
    `afterwards`, or `beforehand` of a stage that waits for others, or that does it `meanwhile`. In
    a loop whose blocks post, one that `collects` waits for vectors of other blocks, or it has
    `tensor` cores multiply them, whose warps put their sums at `shares`; they may `ask_first`. The
    `plan` spreads it over threads: the `plan_argument` of a call, or `planned` once for all steps
    by `plan_line`. `panels` says where its packed matrices are for who keeps none, `meet` who must
    wait for each other before it in a loop. One that has `products` is for tiles of many rows, of a
    `shape` for so many sums, and `tile_sizes` declares what its `size` is made of. As a launch of
    its own it has so many `blocks` at once on a processor.
    """

    name: str
    title: str
    sizes: tuple[str, ...]
    all_sizes: tuple[str, ...]
    constants: tuple[str, ...]
    rows: tuple[str, ...]
    steady: tuple[str, ...]
    lines: tuple[str, ...]
    size: str
    operands: tuple[CudaOperandView, ...] = ()
    multiplies: tuple[str, ...] = ()
    posts: bool = False
    collects: bool = False
    shares: str = ""
    ask_first: tuple[str, ...] = ()
    tensor: tuple[str, ...] = ()
    products: tuple[ProductView, ...] = ()
    shape: str = ""
    tile_sizes: tuple[str, ...] = ()
    wide: str = ""
    most_rows: str = ""
    blocks: int = 2
    early: tuple[str, ...] = ()
    early_rows: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    take_rows: tuple[str, ...] = ()
    ahead: tuple[str, ...] = ()
    ahead_name: str = ""
    kept: tuple[str, ...] = ()
    kept_name: str = ""
    unit: tuple[str, ...] = ()
    unit_constants: tuple[str, ...] = ()
    finds_unit: tuple[str, ...] = ()
    takes_unit: tuple[str, ...] = ()
    reads_unit: tuple[str, ...] = ()
    find_first: tuple[str, ...] = ()
    found_constants: tuple[str, ...] = ()
    found_rows: tuple[str, ...] = ()
    finds: tuple[str, ...] = ()
    looks_ahead: bool = False
    hint_constants: tuple[str, ...] = ()
    beforehand: tuple[str, ...] = ()
    meanwhile: tuple[str, ...] = ()
    afterwards: tuple[str, ...] = ()
    hint_rows: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    plan: str = ""
    plan_type: str = ""
    plan_line: str = ""
    plan_argument: str = ""
    panels_argument: str = ""
    loop_panels: str = ""
    planned: str = ""
    plan_sizes: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()
    caller_sizes: tuple[str, ...] = ()
    meet: str = ""


@dataclass(frozen=True, slots=True)
class CarryView:
    """One element of a state brought to where a loop finds it, or to the caller.

    Numbers have no `size`; `skip` passes over sequences that have more steps.
    """

    size: str
    sizes: tuple[str, ...]
    skip: str
    line: str


NOTHING = BlockView((), ())


@dataclass(frozen=True, slots=True)
class VariantView:
    """A loop's kernel for the cuts that meet a `condition`: the `arguments` of its template."""

    condition: str
    arguments: str


@dataclass(frozen=True, slots=True)
class CudaPhaseView:
    """A part of a kernel.

    Nests over rows are launched one by one. A loop is cut by a `model`; it carries states from
    their `starts` to their `finishes`; at the end of a step threads `meet`, and memory that steps
    use in turn `swaps`. `memory` carves out what its blocks have `common`, `numbers` what each has
    for itself; `panels` are read where they lie, or `keeps` brings them to a block's memory, where
    they take what is `kept`. `items` is how many threads a sequence can use. One that runs
    `in_place` is a single nest over the elements of its states, with `states` in registers and
    `finals` to hand them out. One that `holds` has `variants` with matrices in registers, as far as
    a block `can_hold` them: what a lane has is a template, `held_by` such parameters, of which a
    kernel is the `holder`, with `room` for vectors that tensor cores multiply, and `held_bits` are
    known when all of it has come. A kernel `looks_ahead`, and `keeps_lanes`' own, under conditions
    of its template.
    """

    name: str
    nests: tuple[CudaNestView, ...]
    loop: bool = False
    in_place: bool = False
    cuts: bool = False
    common: str = ""
    starts: tuple[CarryView, ...] = ()
    finishes: tuple[CarryView, ...] = ()
    memory: BlockView = NOTHING
    numbers: BlockView = NOTHING
    panels: BlockView = NOTHING
    keeps: BlockView = NOTHING
    kept: BlockView = NOTHING
    meet: str = ""
    swaps: tuple[str, ...] = ()
    model: BlockView = NOTHING
    items: BlockView = NOTHING
    plan_sizes: tuple[str, ...] = ()
    holds: bool = False
    held_by: str = ""
    holder: str = ""
    or_sums: str = ""
    room: str = ""
    held: tuple[str, ...] = ()
    gathered: BlockView = NOTHING
    hold_lines: tuple[str, ...] = ()
    held_bits: str = ""
    can_hold: BlockView = NOTHING
    looks_ahead: str = ""
    keeps_lanes: str = ""
    variants: tuple[VariantView, ...] = ()
    states: tuple[str, ...] = ()
    finals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListView:
    """Totals that one launch sums up."""

    name: str
    type: str
    sizes: tuple[str, ...]
    members: tuple[str, ...]
    call: str


@dataclass(frozen=True, slots=True)
class CudaKernelView:
    """One kernel, forward or backward; names mean what they mean for target `openmp`.

    What follows from params alone lies in one piece of memory, `panels`: packed matrices, and what
    the nests of `first` (one at most, which the packing kernel runs too) and `once` write.
    """

    symbol: str
    title: str
    real: str
    work: MemoryView
    panels: MemoryView
    packs: BlockView
    tile: tuple[str, ...]
    first: CudaPhaseView
    once: CudaPhaseView
    per_sequence: CudaPhaseView
    body: tuple[CudaPhaseView, ...]
    past_the_end: tuple[BlockView, ...]
    lists: tuple[ListView, ...]


@dataclass(frozen=True, slots=True)
class CudaFileView:
    """The main file; `kernels` are rendered already, `products` is a `grugen_arithmetic`.

    `real` is what is computed in; where arrays are made of something else, the header `stored` says
    what.
    """

    banner: tuple[str, ...]
    stem: str
    real: str
    stored: str
    products: str
    kernels: tuple[str, ...]
