"""Tokens -> equations and expressions: a Pratt parser for the grammar in specs/README.md.

It knows no names and no functions. A mistake ends its own equation only; the others are read on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from grugen.errors import Diagnostic
from grugen.source import SourceText, Span
from grugen.spec.expressions import BINDING, COMPARISONS, NEGATION_BINDING
from grugen.spec.expressions import expression_text as _text
from grugen.spec.functions import OPTIONS
from grugen.spec.lexer import Kind, Token, tokenize
from grugen.spec.model import Binary, Call, Equation, Expr, Name, Negation, Number
from grugen.spec.statements import only_statement, statements, written
from grugen.spec.tree import Line

MOST_TOKENS = 500
"""Of one equation. Later stages recurse over the tree, so this bounds their depth too."""
MOST_NESTED = 40

INFINITY = "inf"
END_OR_OPERATOR = "an operator or the end of the line"
_FORM = "an equation is written  name = expression"
_CONTINUED = "only inside parentheses does an equation go on in the next line"
Read = TypeVar("Read")

_WORDS = {
    "if": "a choice is written where(condition, a, b)",
    "else": "a choice is written where(condition, a, b)",
    "and": "both conditions: where(a > 0, where(b > 0, x, y), y)",
    "or": "either condition: where(a > 0, x, where(b > 0, x, y))",
    "not": "swap the last two arguments of where",
    "for": "write one equation for each",
    "lambda": "there are no functions of one's own",
    "in": "write one equation for each",
    "is": "'==' compares",
}


class _Mistake(Exception):
    """Ends the equation at hand."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic


@dataclass(frozen=True, slots=True)
class Arguments:
    """`name` or `name(arg; arg)`: how an init is written."""

    name: str
    args: tuple[Expr, ...]
    span: Span


def parse_equations(
    source: SourceText, lines: tuple[Line, ...], found: list[Diagnostic]
) -> tuple[Equation, ...]:
    """The equations that can be read; each one that cannot leaves a diagnostic."""
    equations = []
    texts = {line.number: line for line in lines}
    for tokens in statements(tokenize(source, lines, found), found):
        try:
            equations.append(_Parser(tokens, in_equation=True).equation(written(tokens, texts)))
        except _Mistake as mistake:
            found.append(mistake.diagnostic)
    return tuple(equations)


def parse_expression(
    source: SourceText, lines: tuple[Line, ...], found: list[Diagnostic]
) -> Expr | None:
    """The one expression that the lines hold."""
    return _parse_all(source, lines, found, _Parser.expression)


def parse_arguments(
    source: SourceText, lines: tuple[Line, ...], found: list[Diagnostic]
) -> Arguments | None:
    """The init that the lines hold."""
    return _parse_all(source, lines, found, _Parser.init)


def _parse_all(
    source: SourceText,
    lines: tuple[Line, ...],
    found: list[Diagnostic],
    read: Callable[[_Parser], Read],
) -> Read | None:
    tokens = only_statement(tokenize(source, lines, found))
    if tokens is None:
        return None
    try:
        return _Parser(tokens).to_the_end(read)
    except _Mistake as mistake:
        found.append(mistake.diagnostic)
        return None


class _Parser:
    """Reads the tokens of one statement from left to right."""

    def __init__(self, tokens: tuple[Token, ...], in_equation: bool = False) -> None:
        self.tokens = tokens
        self.in_equation = in_equation  # advice is about equations, not about shapes and inits
        self.place = 0
        self.nesting = 0
        if len(tokens) > MOST_TOKENS:
            count = len(tokens) - 1
            message = f"{count} names, numbers and signs in one equation, at most {MOST_TOKENS}"
            advice = "give parts of it a name, in equations of their own"
            raise _Mistake(Diagnostic(message, tokens[0].span, help=advice))

    @property
    def here(self) -> Token:
        return self.tokens[self.place]

    def take(self) -> Token:
        token = self.here
        self.place += token.kind is not Kind.END
        return token

    def equation(self, text: str) -> Equation:
        targets = [self.target()]
        while self.here.is_sign(","):
            self.take()
            targets.append(self.target())
        if self.here.is_sign("=="):
            self.fail("'==' compares", "an equation is written with one '='")
        if not self.here.is_sign("="):
            names = ", ".join(str(target) for target in targets)
            self.fail(f"expected '=' after '{names}', found {self.here}", _FORM)
        self.take()
        value = self.to_the_end(_Parser.expression)
        return Equation(tuple(targets), value, text, targets[0].span.through(value.span))

    def target(self) -> Name:
        token = self.here
        if token.kind not in (Kind.NAME, Kind.NEXT):
            advice = _CONTINUED if token.text in BINDING else _FORM
            self.fail(f"expected the name of a value, found {token}", advice)
        self.take()
        return Name(token.text, token.kind is Kind.NEXT, token.span)

    def to_the_end(self, read: Callable[[_Parser], Read]) -> Read:
        """What `read` reads, which must be all there is."""
        result = read(self)
        if self.here.kind is not Kind.END:
            self.unexpected(END_OR_OPERATOR)
        return result

    def init(self) -> Arguments:
        if self.here.kind is not Kind.NAME:
            self.unexpected("the name of an init")
        name = self.take()
        args: tuple[Expr, ...] = ()
        if self.here.is_sign("("):
            args, _ = self.arguments(";")
        return Arguments(name.text, args, name.span.through(self.before.span))

    def expression(self, floor: int = 0) -> Expr:
        """The longest expression from here whose operators bind more than `floor`."""
        start = self.here
        left = self.operand()
        previous = start
        while self.here.kind is Kind.SIGN and BINDING.get(self.here.text, 0) > floor:
            operator = self.take()
            binding = BINDING[operator.text]
            is_power = operator.text == "**"
            right = self.nested(NEGATION_BINDING) if is_power else self.expression(binding)
            span = start.span.through(self.before.span)
            whole = Binary(operator.text, left, right, operator.span, span)
            self.refuse_mixture(previous, whole)
            left, previous = whole, operator
        return left

    def refuse_mixture(self, previous: Token, whole: Binary) -> None:
        """Refuse what Python would read in one way and many readers in another.

        `previous` is the operator before, or the token that the left side starts with.
        """
        operator, left, right, place = whole.operator, whole.left, whole.right, whole.operator_span
        if operator in COMPARISONS and previous.is_sign(*COMPARISONS) and isinstance(left, Binary):
            first, second = _text(left), f"{_text(left.right)} {operator} {_text(right)}"
            advice = f"write  where({first}, where({second}, a, b), b)"
            self.fail("chained comparison", advice, place)
        products = ("*", "/", "@")
        if operator in products and previous.is_sign(*products) and isinstance(left, Binary):
            if "@" not in (operator, left.operator):
                return
            inner = Binary(operator, left.right, right, place, whole.span)
            other = Binary(left.operator, left.left, inner, left.operator_span, whole.span)
            if operator == left.operator:
                self.fail("'@' twice without parentheses", f"write  {_text(other)}", place)
            advice = f"write  {_text(other)}  or  {_text(whole)}: they are different cells"
            message = f"'{operator}' mixed with '{left.operator}' without parentheses"
            self.fail(message, advice, place)
        if operator == "@" and previous.is_sign("-", "**"):
            clear: Expr = whole
            if isinstance(left, Negation):
                product = Binary(operator, left.operand, right, place, whole.span)
                clear = Negation(product, whole.span)
            advice = f"write  {_text(clear)}"
            self.fail(f"'{previous.text}' before '@' without parentheses", advice, place)

    def nested(self, floor: int) -> Expr:
        """An expression one level deeper."""
        self.nesting += 1
        if self.nesting > MOST_NESTED:
            advice = "give parts of it a name, in equations of their own"
            self.fail(f"more than {MOST_NESTED} levels of nesting", advice)
        expr = self.expression(floor)
        self.nesting -= 1
        return expr

    def operand(self) -> Expr:
        token = self.here
        if token.kind is Kind.NUMBER:
            self.take()
            return Number(float(token.text), token.span)
        if token.kind is Kind.NEXT:
            self.take()
            return Name(token.text, True, token.span)
        if token.kind is Kind.NAME and not self.is_word(token):
            return self.name_or_call()
        if token.is_sign("("):
            self.take()
            inner = self.nested(0)
            if not self.here.is_sign(")"):
                self.unexpected("')'", token)
            self.take()
            return inner
        if token.is_sign("-"):
            self.take()
            operand = self.nested(NEGATION_BINDING)
            return Negation(operand, token.span.through(self.before.span))
        if token.is_sign("+"):
            self.fail("'+' without a left side", "leave the '+' out")
        return self.unexpected("a value")

    def name_or_call(self) -> Expr:
        name = self.take()
        if self.here.is_sign("("):
            args, options = self.arguments(",")
            return Call(name.text, args, options, name.span, name.span.through(self.before.span))
        if name.text == INFINITY:
            return Number(math.inf, name.span)
        return Name(name.text, False, name.span)

    def arguments(self, separator: str) -> tuple[tuple[Expr, ...], tuple[tuple[str, Expr], ...]]:
        """What stands in the parentheses that begin here: values first, then options."""
        opening = self.take()
        args: list[Expr] = []
        options: list[tuple[str, Expr]] = []
        while not (self.here.is_sign(")") and not args and not options):
            name = self.here
            if name.kind is Kind.NAME and self.tokens[self.place + 1].is_sign("="):
                if not args and not options and name.text not in OPTIONS:
                    self.take()
                    self.fail("'=' in an expression", "'==' compares")
                self.place += 2
                options.append((name.text, self.nested(0)))
            elif options:
                self.fail("a value after an option", "options such as eps=1e-5 come last")
            else:
                args.append(self.nested(0))
            if not self.here.is_sign(separator):
                break
            self.take()
        if not self.here.is_sign(")"):
            self.unexpected(f"'{separator}' or ')'", opening)
        self.take()
        return tuple(args), tuple(options)

    @property
    def before(self) -> Token:
        return self.tokens[self.place - 1]

    def is_word(self, token: Token) -> bool:
        """Whether this is a word of Python's grammar that has no place in an equation."""
        return self.in_equation and token.kind is Kind.NAME and token.text in _WORDS

    def unexpected(self, expected: str, opening: Token | None = None) -> NoReturn:
        """Say that `expected` should stand here; `opening` is the parenthesis that we are in."""
        token = self.here
        if token.kind is Kind.END and opening is not None:
            self.fail("'(' is never closed", "close it with ')'", opening.span)
        if self.is_word(token):
            self.fail(f"'{token.text}' is not part of the language", _WORDS[token.text])
        if token.is_sign(")") and opening is None and expected != "a value":
            self.fail("')' without '('", "remove it, or open it before")
        advice = ""
        if token.is_sign("="):
            advice = "'==' compares; each line holds one equation"
        elif token.is_sign(",") and expected.startswith("';'"):
            advice = "the arguments of an init are separated by ';', because YAML splits at commas"
        elif token.is_sign(",") and expected == "')'":
            advice = "concat(a, b) joins vectors"
        elif token.is_sign(";"):
            is_end = expected == END_OR_OPERATOR
            advice = "each line holds one equation" if is_end else "arguments are separated by ','"
        elif token.kind is Kind.END and expected == "a value" and self.before.text in BINDING:
            advice = _CONTINUED
        elif self.in_equation and expected != "a value" and _starts_value(token):
            advice = "a product is written  a * b  or, with a matrix,  W @ v"
        self.fail(f"expected {expected}, found {token}", advice)

    def fail(self, message: str, advice: str = "", span: Span | None = None) -> NoReturn:
        """End this equation with a diagnostic."""
        raise _Mistake(Diagnostic(message, span or self.here.span, help=advice))


def _starts_value(token: Token) -> bool:
    return token.kind in (Kind.NUMBER, Kind.NAME, Kind.NEXT) or token.is_sign("(")
