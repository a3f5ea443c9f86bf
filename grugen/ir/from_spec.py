"""A checked `CellSpec` becomes the `Function` of one forward step.

Shapes are inferred here, so mistakes in them are found here; names and structure were checked
before. Functions of the language that are not operations are spelled out in `expand`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from grugen.errors import Diagnostic, SpecError
from grugen.ir.build import Builder
from grugen.ir.expand import EXPANSIONS, Line
from grugen.ir.nodes import Function, Op, Result, ResultRole, Source, SourceRole
from grugen.ir.shapes import ShapeMismatch
from grugen.ir.types import Level, Type
from grugen.ir.verify import verify
from grugen.source import Span
from grugen.spec.dims import shape_text
from grugen.spec.expressions import expression_text
from grugen.spec.model import (
    Binary,
    Call,
    CellSpec,
    Declaration,
    Equation,
    Expr,
    Name,
    Negation,
    Number,
    Role,
)

_SOURCE_ROLES = {
    Role.INPUT: SourceRole.INPUT,
    Role.STATIC: SourceRole.STATIC,
    Role.CONSTANT: SourceRole.CONSTANT,
    Role.HYPER: SourceRole.HYPER,
    Role.STATE: SourceRole.STATE,
    Role.PARAM: SourceRole.PARAM,
}
_LEVELS = {Role.INPUT: Level.STEP, Role.STATE: Level.STEP, Role.STATIC: Level.SEQUENCE}
_OPERATORS = {
    "+": Op.ADD,
    "-": Op.SUB,
    "*": Op.MUL,
    "/": Op.DIV,
    "<": Op.LT,
    "<=": Op.LE,
    ">": Op.GT,
    ">=": Op.GE,
    "==": Op.EQ,
    "!=": Op.NE,
}


class _Unknown(Exception):
    """The operand has an error of its own, which is reported already."""


@dataclass(slots=True)
class _Lowering:
    """One spec on its way to a step: the lines so far, what each name stands for, mistakes."""

    spec: CellSpec
    builder: Builder
    values: dict[str, str]
    broken: set[str] = field(default_factory=set)
    found: list[Diagnostic] = field(default_factory=list)

    def equation(self, equation: Equation) -> None:
        """Add the lines of one equation; its targets are known afterwards, or broken."""
        targets = [str(target) for target in equation.targets]
        try:
            if len(targets) > 1:
                values = self.split(equation)
            else:
                values = [self.expression(equation.value, equation, targets[0])]
        except _Unknown:
            self.broken.update(targets)
            return
        for target, value in zip(targets, values, strict=True):
            before = len(self.found)
            self.check_target(target, value, equation)
            if len(self.found) > before:
                self.broken.add(target)
            self.values[target] = value

    def check_target(self, target: str, value: str, equation: Equation) -> None:
        """A state keeps its shape; no equation names a matrix."""
        shape = self.builder.types[value].shape
        declared = _declaration(self.spec, target.rstrip("'"))
        if declared is not None and shape != declared.shape and shape:
            self.found.append(
                Diagnostic(
                    f"{target} gets {shape_text(shape)}, but '{declared.name}' is declared "
                    f"{shape_text(declared.shape)}",
                    equation.value.span,
                    note=(f"'{declared.name}' is declared here", declared.span),
                )
            )
        elif len(shape) == 2:
            self.found.append(
                Diagnostic(
                    f"'{target}' would be a matrix {shape_text(shape)}",
                    equation.value.span,
                    help="equations give numbers and vectors; apply the matrix with '@'",
                )
            )

    def split(self, equation: Equation) -> list[str]:
        """`a, b = split(v, 2)`: equal parts of a vector, in order."""
        call = equation.value
        assert isinstance(call, Call)
        whole = self.expression(call.args[0], equation)
        parts = len(equation.targets)
        shape = self.builder.types[whole].shape
        size = shape[0].divided(parts) if len(shape) == 1 else None
        if size is None:
            self.found.append(
                Diagnostic(
                    f"{shape_text(shape)} cannot be split into {parts} equal parts",
                    call.args[0].span,
                    help=f"a vector of {parts}*H splits into {parts} of H",
                )
            )
            raise _Unknown
        names = []
        for place, target in enumerate(equation.targets):
            line = Line(self.builder, call.span, equation)
            wish = self.name_for(str(target))
            names.append(
                line.let(
                    Op.SLICE, whole, size=size, offset=size.times(place), name=wish, given=True
                )
            )
        return names

    def name_for(self, target: str) -> str:
        """The value's name: the spec's own, and `h_next` for `h'`."""
        return self.builder.fresh(target[:-1] + "_next") if target.endswith("'") else target

    def product_name(self, op: Op, operands: tuple[Expr, ...]) -> str:
        """`W_z_x` for `W_z @ x` inside an equation, so that it can be told from the others."""
        if op is not Op.MATVEC or not isinstance(operands[0], Name):
            return ""
        vector = operands[1]
        label = str(vector).replace("'", "_next") if isinstance(vector, Name) else "product"
        return self.builder.fresh(f"{operands[0]}_{label}")

    def expression(self, expr: Expr, equation: Equation, target: str = "") -> str:
        """Add the lines of `expr` and return its value's name, `target` if it makes a line."""
        match expr:
            case Number():
                return self.line(expr, equation, target, Op.LITERAL, value=expr.value)
            case Name():
                return self.lookup(expr)
            case Negation(operand=Number() as number):
                return self.line(expr, equation, target, Op.LITERAL, value=-number.value)
            case Negation():
                return self.line(expr, equation, target, Op.NEG, expr.operand)
            case Binary():
                return self.binary(expr, equation, target)
            case Call():
                return self.call(expr, equation, target)

    def lookup(self, name: Name) -> str:
        """What a name stands for at this point."""
        if str(name) in self.broken:
            raise _Unknown
        return self.values[str(name)]

    def binary(self, expr: Binary, equation: Equation, target: str) -> str:
        """An operator; chains of any length, since the left side is walked in a loop."""
        chain = [expr]
        while isinstance(chain[-1].left, Binary):
            chain.append(chain[-1].left)
        value = self.expression(chain[-1].left, equation)
        for link in reversed(chain):
            wish = target if link is expr else ""
            if link.operator == "**":
                value = self.power(link, value, equation, wish)
                continue
            right = self.expression(link.right, equation)
            if link.operator == "@":
                op = Op.MATVEC if len(self.builder.types[value].shape) == 2 else Op.DOT
            else:
                op = _OPERATORS[link.operator]
            value = self.add(link, equation, wish, op, (value, right), (link.left, link.right))
        return value

    def power(self, expr: Binary, base: str, equation: Equation, target: str) -> str:
        """`base ** number`."""
        exponent = expr.right
        sign = 1.0
        if isinstance(exponent, Negation):
            sign, exponent = -1.0, exponent.operand
        assert isinstance(exponent, Number)
        value = sign * exponent.value
        if value == 0.5:
            return self.add(expr, equation, target, Op.SQRT, (base,), (expr.left,))
        return self.add(expr, equation, target, Op.POWER, (base,), (expr.left,), value=value)

    def call(self, expr: Call, equation: Equation, target: str) -> str:
        """A function: an operation of the same name, or what `expand` spells out."""
        args = tuple(self.expression(arg, equation) for arg in expr.args)
        expansion = EXPANSIONS.get(expr.function)
        if expansion is None:
            return self.add(expr, equation, target, _operation(expr.function), args, expr.args)
        options = {name: _number(value) for name, value in expr.options}
        line = Line(self.builder, expr.span, equation)
        try:
            return expansion(line, args, options, self.name_for(target) if target else "")
        except ShapeMismatch as wrong:
            raise self.mismatch(expr, str(wrong), args, expr.args) from None

    def line(
        self,
        expr: Expr,
        equation: Equation,
        target: str,
        op: Op,
        *operands: Expr,
        value: float | None = None,
    ) -> str:
        """One operation on expressions."""
        args = tuple(self.expression(operand, equation) for operand in operands)
        return self.add(expr, equation, target, op, args, operands, value=value)

    def add(
        self,
        expr: Expr,
        equation: Equation,
        target: str,
        op: Op,
        args: tuple[str, ...],
        operands: tuple[Expr, ...],
        value: float | None = None,
    ) -> str:
        """One operation on values; a mismatch becomes a diagnostic at the expression."""
        line = Line(self.builder, expr.span, equation)
        name = self.name_for(target) if target else self.product_name(op, operands)
        try:
            return line.let(op, *args, value=value, name=name, given=bool(target))
        except ShapeMismatch as wrong:
            raise self.mismatch(expr, str(wrong), args, operands) from None

    def mismatch(
        self, expr: Expr, why: str, args: tuple[str, ...], operands: tuple[Expr, ...]
    ) -> _Unknown:
        """Report operands that do not fit, with their shapes and where they were declared."""
        shapes = [self.builder.types[arg].shape for arg in args]
        texts = [
            f"{_spelled(operand)} {shape_text(shape)}"
            for operand, shape in zip(operands, shapes, strict=False)
        ]
        place, help_ = expr.span, ""
        if isinstance(expr, Binary) and expr.operator == "@":
            message = f"cannot apply {texts[0]} to {texts[1]}: {why}"
            if [len(shape) for shape in shapes] == [1, 2]:
                help_ = "the matrix stands on the left"
            elif [len(shape) for shape in shapes] == [2, 1]:
                help_ = f"a matrix [m, n] takes a vector [n]: here [..., {shapes[1][0]}] would fit"
        elif isinstance(expr, Binary) and all(len(shape) < 2 for shape in shapes):
            place = expr.operator_span
            message = f"'{expr.operator}' needs equal shapes or a number: {', '.join(texts)}"
        elif isinstance(expr, Binary):
            place = expr.operator_span
            message = f"'{expr.operator}' cannot take {', '.join(texts)}: {why}"
            if expr.operator == "*":
                help_ = "use '@' to apply a matrix to a vector"
        else:
            called = expr.function if isinstance(expr, Call) else "-"
            message = f"'{called}' cannot take {', '.join(texts)}: {why}"
        # a matrix is the likelier mistake
        ranked = sorted(zip(shapes, operands, strict=False), key=lambda pair: -len(pair[0]))
        note = self.declared(tuple(operand for _, operand in ranked))
        self.found.append(Diagnostic(message, place, note=note, help=help_))
        return _Unknown()

    def declared(self, operands: tuple[Expr, ...]) -> tuple[str, Span] | None:
        """A note for the first operand that is a declared name."""
        for operand in operands:
            if isinstance(operand, Name):
                declared = _declaration(self.spec, operand.name)
                if declared is not None:
                    shape = shape_text(declared.shape)
                    return f"'{declared.name}' is declared {shape} here", declared.span
        return None


def lower_spec(spec: CellSpec) -> Function:
    """The forward step of `spec`; raises SpecError with every mistake in shapes."""
    sources = tuple(_source(declaration) for declaration in spec.declarations)
    taken = [str(target) for equation in spec.equations for target in equation.targets]
    builder = Builder(sources, taken)
    lowering = _Lowering(spec, builder, {source.name: source.name for source in sources})
    for equation in spec.equations:
        lowering.equation(equation)
    if lowering.found:
        raise SpecError(lowering.found)
    results = [
        Result(_with_shape(lowering, declaration), ResultRole.NEXT_STATE, declaration.name)
        for declaration in spec.declarations
        if declaration.role is Role.STATE
    ]
    results += [
        Result(lowering.values[str(output.value)], ResultRole.OUTPUT, output.name)
        for output in spec.outputs
    ]
    return verify(Function(spec.name, sources, tuple(builder.lets), tuple(results)))


def _source(declaration: Declaration) -> Source:
    level = _LEVELS.get(declaration.role, Level.CALL)
    type_ = Type(declaration.shape, level)
    name = declaration.name
    return Source(name, _SOURCE_ROLES[declaration.role], name, type_, declaration.span)


def _with_shape(lowering: _Lowering, state: Declaration) -> str:
    """The next value of a state, a number spread over the state's vector."""
    value = lowering.values[f"{state.name}'"]
    if state.shape and not lowering.builder.types[value].shape:
        return lowering.builder.let(Op.BROADCAST, value, size=state.shape[0], span=state.span)
    return value


def _declaration(spec: CellSpec, name: str) -> Declaration | None:
    return next((found for found in spec.declarations if found.name == name), None)


def _operation(function: str) -> Op:
    return Op.SELECT if function == "where" else Op(function)


def _number(expr: Expr) -> float:
    if isinstance(expr, Negation):
        return -_number(expr.operand)
    assert isinstance(expr, Number)
    return expr.value


def _spelled(operand: Expr) -> str:
    return expression_text(operand) if isinstance(operand, Name | Number) else "(...)"
