"""Rules about calls and operators: arguments, options, conditions, exponents, splits."""

from __future__ import annotations

from collections.abc import Iterator

from grugen.errors import Diagnostic
from grugen.spec.draft import Draft
from grugen.spec.expressions import COMPARISONS, expression_text, parts, walk
from grugen.spec.functions import FUNCTIONS, LATER
from grugen.spec.model import Binary, Call, Equation, Expr, Name, Negation, Number, Role
from grugen.spec.names import did_you_mean, listed
from grugen.spec.rules.scope import calls, declarations, expressions, of_role


def functions_are_known(draft: Draft) -> Iterator[Diagnostic]:
    """Only the functions of the table can be called."""
    values = (*declarations(draft), *(t.name for e in draft.equations for t in e.targets))
    for call in (part for part in expressions(draft) if isinstance(part, Call)):
        name = call.function
        if name in FUNCTIONS:
            continue
        if name in values:
            advice = f"write  {name} * (...)  or, with a matrix,  {name} @ (...)"
            message = f"'{name}' is a value, it cannot be called"
        elif name in LATER:
            message, advice = f"this version has no function '{name}'", LATER[name]
        else:
            message = f"unknown function '{name}'"
            advice = did_you_mean(name, FUNCTIONS) or f"the functions are {listed(FUNCTIONS)}"
        yield Diagnostic(message, call.function_span, help=advice)


def arguments_are_counted(draft: Draft) -> Iterator[Diagnostic]:
    """As many arguments and the options that the table says."""
    for call in (part for part in expressions(draft) if isinstance(part, Call)):
        function = FUNCTIONS.get(call.function)
        if function is None:
            continue
        count = len(call.args)
        if count < function.least or (function.most is not None and count > function.most):
            message = f"'{call.function}' takes {_counts(function.least, function.most)}"
            advice = f"write {function.usage}"
            yield Diagnostic(f"{message}, found {count}", call.function_span, help=advice)
        seen: set[str] = set()
        for name, value in call.options:
            if name not in function.options:
                message = f"'{call.function}' has no option '{name}'"
                yield Diagnostic(message, value.span, help=f"write {function.usage}")
            elif name in seen:
                yield Diagnostic(f"option '{name}' is given twice", value.span)
            seen.add(name)


def _counts(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {least} argument{'s' * (least > 1)}"
    counts = str(least) if least == most else f"{least} to {most}"
    return f"{counts} argument{'s' * (counts != '1')}"


def comparisons_stand_in_where(draft: Draft) -> Iterator[Diagnostic]:
    """A truth value is the first argument of where and nothing else."""
    for equation in draft.equations:
        for part, parent in _with_parent(equation):
            if not isinstance(part, Binary) or part.operator not in COMPARISONS:
                continue
            if isinstance(parent, Call) and parent.function == "where" and parent.args[0] is part:
                continue
            message = f"'{part.operator}' outside the first argument of where"
            advice = f"write  where({expression_text(part)}, 1, 0)  for a number"
            yield Diagnostic(message, part.operator_span, help=advice)


def _with_parent(equation: Equation) -> Iterator[tuple[Expr, Expr | None]]:
    yield equation.value, None
    for part in walk(equation.value):
        yield from ((inner, part) for inner in parts(part))


def where_has_a_comparison(draft: Draft) -> Iterator[Diagnostic]:
    """A number is no truth value."""
    for call in (part for part in expressions(draft) if isinstance(part, Call)):
        if call.function != "where" or not call.args:
            continue
        condition = call.args[0]
        if not isinstance(condition, Binary) or condition.operator not in COMPARISONS:
            shown = expression_text(condition)
            advice = f"write  where({shown} > 0, ...)" if len(shown) < 40 else "compare with > 0"
            message = (
                f"expected a comparison as the first argument of where, found '{_short(condition)}'"
            )
            yield Diagnostic(message, condition.span, help=advice)


def clip_bounds_are_fixed(draft: Draft) -> Iterator[Diagnostic]:
    """They change the function, but carry no gradient."""
    hypers = {hyper.name for hyper in of_role(draft, Role.HYPER)}
    for call in (part for part in expressions(draft) if isinstance(part, Call)):
        if call.function != "clip" or len(call.args) != 3:
            continue
        low, high = call.args[1:]
        for bound in (low, high):
            inner = bound.operand if isinstance(bound, Negation) else bound
            if not isinstance(inner, Number) and not (
                isinstance(inner, Name) and not inner.next and inner.name in hypers
            ):
                message = f"a bound of clip is a number or a hyper, found '{_short(bound)}'"
                advice = "min(v, b) and max(v, b) take any value"
                yield Diagnostic(message, bound.span, help=advice)
        least, most = _number(low), _number(high)
        if least is not None and most is not None and least > most:
            message = f"the bounds of clip are in the wrong order: {_short(low)} > {_short(high)}"
            yield Diagnostic(message, low.span, help="write clip(v, low, high)")


def exponents_are_numbers(draft: Draft) -> Iterator[Diagnostic]:
    """So integer ones also work for negative bases."""
    for power in (part for part in expressions(draft) if isinstance(part, Binary)):
        if power.operator == "**" and _number(power.right) is None:
            message = f"the exponent of '**' is a number, found '{_short(power.right)}'"
            base = _short(power.left)
            advice = f"write exp({_short(power.right)} * log({base})) where {base} is positive"
            yield Diagnostic(message, power.right.span, help=advice)


def eps_is_a_number(draft: Draft) -> Iterator[Diagnostic]:
    """It changes the function and keeps it from dividing by zero."""
    for call in (part for part in expressions(draft) if isinstance(part, Call)):
        for name, value in call.options:
            number = _number(value)
            if name == "eps" and (number is None or not 0 < number < float("inf")):
                message = f"eps is a number above 0, found '{_short(value)}'"
                yield Diagnostic(message, value.span, help="write eps=1e-5")


def splits_fit_their_targets(draft: Draft) -> Iterator[Diagnostic]:
    """split makes several values, so it is a right side of its own with a target for each."""
    for equation in draft.equations:
        value, count = equation.value, len(equation.targets)
        is_split = isinstance(value, Call) and value.function == "split"
        for call in calls(equation):
            if call.function == "split" and call is not value:
                message = "split inside an expression"
                advice = "write  a, b = split(v, 2)  in an equation of its own"
                yield Diagnostic(message, call.function_span, help=advice)
        if count > 1 and not is_split:
            message = f"{count} values on the left of '=', one on the right"
            yield Diagnostic(message, equation.span, help="only split makes several values")
        if is_split and isinstance(value, Call) and len(value.args) == 2:
            yield from _check_parts(value.args[1], equation)


def _check_parts(number: Expr, equation: Equation) -> Iterator[Diagnostic]:
    count = len(equation.targets)
    if not isinstance(number, Number) or number.value < 2 or number.value % 1:
        message = f"the number of parts is a whole number from 2 on, found '{_short(number)}'"
        yield Diagnostic(message, number.span, help=f"write split(v, {max(count, 2)})")
    elif number.value != count:
        shown = expression_text(number)
        targets = f"{count} value{'s' * (count != 1)} on the left"
        advice = f"name each part, or write split(v, {count})" if count > 1 else "name each part"
        message = f"split makes {shown} parts, but there {'are' if count != 1 else 'is'} {targets}"
        yield Diagnostic(message, number.span, help=advice)


def _number(expr: Expr) -> float | None:
    match expr:
        case Number(value):
            return value
        case Negation(Number(value)):
            return -value
        case _:
            return None


def _short(expr: Expr) -> str:
    text = expression_text(expr)
    return text if len(text) <= 40 else text[:37] + "..."


RULES = (
    functions_are_known,
    arguments_are_counted,
    comparisons_stand_in_where,
    where_has_a_comparison,
    clip_bounds_are_fixed,
    exponents_are_numbers,
    eps_is_a_number,
    splits_fit_their_targets,
)
