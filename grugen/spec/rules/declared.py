"""Rules about declarations: their rank, their init, the dims they are made of."""

from __future__ import annotations

from collections.abc import Iterator

from grugen.errors import Diagnostic
from grugen.spec.declarations import noun
from grugen.spec.dims import shape_text
from grugen.spec.draft import Draft
from grugen.spec.expressions import COMPARISONS, walk
from grugen.spec.functions import FUNCTIONS, INIT_FUNCTIONS
from grugen.spec.inits import FIRST, INITS
from grugen.spec.model import Binary, Call, Declaration, Expr, Init, Name, Role
from grugen.spec.names import did_you_mean, listed
from grugen.spec.rules.scope import declarations, dims_in_use, of_role

_MOST_RANK = {Role.PARAM: 2, Role.CONSTANT: 2}


def ranks_fit(draft: Draft) -> Iterator[Diagnostic]:
    """Only what is the same for the whole call may be a matrix."""
    for declared in draft.declarations:
        most = _MOST_RANK.get(declared.role, 1)
        if len(declared.shape) > most:
            shape = shape_text(declared.shape)
            message = f"{noun(declared.role)} cannot have {len(declared.shape)} dimensions: {shape}"
            advice = "it is one number [], a vector [H] or a matrix [H, D]"
            if most == 1:
                advice = "it is one number [] or a vector [H]; batch and time are never written"
            yield Diagnostic(message, declared.span, help=advice)


def has_states(draft: Draft) -> Iterator[Diagnostic]:
    """A cell without a state has nothing to carry from step to step."""
    if not of_role(draft, Role.STATE):
        advice = "a recurrent cell carries at least one:  states: {h: [H]}"
        yield Diagnostic("the spec declares no state", draft.start, help=advice)


def has_inputs(draft: Draft) -> Iterator[Diagnostic]:
    """Without one, nothing would say how many steps there are."""
    if not of_role(draft, Role.INPUT):
        advice = "a cell reads at least one value in each step:  inputs: {x: [D]}"
        yield Diagnostic("the spec declares no input", draft.start, help=advice)


def described_dims_exist(draft: Draft) -> Iterator[Diagnostic]:
    """Dims are made by using them; a description of an unused one is a slip."""
    used = dims_in_use(draft)
    for described in draft.dims:
        if described.name not in used:
            advice = did_you_mean(described.name, used) or f"dimensions in use: {listed(used)}"
            message = f"no shape uses the dimension '{described.name}'"
            yield Diagnostic(message, described.span, help=advice)


def inits_fit_shapes(draft: Draft) -> Iterator[Diagnostic]:
    """Matrix inits need a matrix, row blocks must divide its rows."""
    for declared in of_role(draft, Role.PARAM):
        init = declared.init
        assert init is not None
        shape = shape_text(declared.shape)
        is_matrix = len(declared.shape) == 2
        if INITS[init.kind].matrices_only and not is_matrix:
            message = f"init '{init.kind}' draws matrices, but '{declared.name}' is {shape}"
            yield Diagnostic(
                message, init.span, help="use zeros, ones, uniform(...) or normal(...)"
            )
        elif init.blocks > 1 and not is_matrix:
            message = f"'blocks' is for matrices, but '{declared.name}' is {shape}"
            yield Diagnostic(message, declared.span, help="leave 'blocks' out")
        elif is_matrix:
            yield from _check_blocks(declared, init)


def _check_blocks(declared: Declaration, init: Init) -> Iterator[Diagnostic]:
    rows, columns = declared.shape
    block = rows.divided(init.blocks)
    if block is None:
        message = f"the rows of '{declared.name}', {rows}, do not divide into {init.blocks} blocks"
        yield Diagnostic(message, declared.span)
    elif init.kind == "identity" and block != columns:
        whole = "" if init.blocks == 1 else f" in {init.blocks} blocks"
        message = f"init 'identity' needs a square matrix, but '{declared.name}' is"
        yield Diagnostic(f"{message} {shape_text(declared.shape)}{whole}", init.span)


def init_arguments_are_known(draft: Draft) -> Iterator[Diagnostic]:
    """They are made of numbers, dims and hypers, before any data is seen."""
    known = (*dims_in_use(draft), *(hyper.name for hyper in of_role(draft, Role.HYPER)))
    seen: set[int] = set()
    for declared in of_role(draft, Role.PARAM):
        if declared.init is None or id(declared.init) in seen:
            continue
        seen.add(id(declared.init))  # names that share an entry share its init
        for arg in declared.init.args:
            for part in walk(arg):
                yield from _check_init_part(part, known)


def _check_init_part(part: Expr, known: tuple[str, ...]) -> Iterator[Diagnostic]:
    match part:
        case Name(name, is_next):
            if is_next or name not in known:
                message = f"'{part}' is no dimension and no hyper"
                advice = did_you_mean(name, known) or f"an init can use {listed(known)}"
                yield Diagnostic(message, part.span, help=advice)
        case Call(function, args, options):
            if function not in INIT_FUNCTIONS:
                advice = f"an init can use {listed(sorted(INIT_FUNCTIONS))}"
                yield Diagnostic(f"'{function}' in an init", part.function_span, help=advice)
            elif options or len(args) != FUNCTIONS[function].least:
                usage = FUNCTIONS[function].usage
                message = f"wrong arguments for '{function}'"
                yield Diagnostic(message, part.function_span, help=f"write {usage}")
        case Binary(operator):
            if operator == "@" or operator in COMPARISONS:
                message = f"'{operator}' in an init"
                yield Diagnostic(message, part.operator_span, help="an init is made of numbers")


def first_names_an_input(draft: Draft) -> Iterator[Diagnostic]:
    """`first(x)` takes the input at the first valid step."""
    known = declarations(draft)
    inputs = [declared.name for declared in of_role(draft, Role.INPUT)]
    for state in of_role(draft, Role.STATE):
        init = state.init
        if init is None or init.kind != FIRST:
            continue
        source = known.get(init.input_name)
        if source is None or source.role is not Role.INPUT:
            what = "unknown" if source is None else noun(source.role)
            message = f"first takes an input, but '{init.input_name}' is {what}"
            advice = did_you_mean(init.input_name, inputs) or f"inputs: {listed(inputs)}"
            yield Diagnostic(message, init.span, help=advice)
        elif source.shape not in ((), state.shape):
            message = f"'{state.name}' is {shape_text(state.shape)}, but '{source.name}' is"
            note = (f"'{source.name}' is declared here", source.span)
            yield Diagnostic(f"{message} {shape_text(source.shape)}", init.span, note=note)


RULES = (
    ranks_fit,
    has_inputs,
    has_states,
    described_dims_exist,
    inits_fit_shapes,
    init_arguments_are_known,
    first_names_an_input,
)
