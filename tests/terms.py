"""Random expressions of the spec language, well-typed, over the whole primitive table.

Whatever an expression needs is declared when it is first used, so nothing is left over. Every
expression knows bounds of its value: logarithms, roots, divisors and powers get operands that are
safe. Simple choices come first, so that examples shrink to short specs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import strategies as st

from grugen.spec.dims import Dim

Choice = TypeVar("Choice")

ODD_NAMES = tuple(
    """
    T B t b i j k q row slot call tile work first last index gamma y0 memcpy exp_ int64_t NULL d_h
    z_out h_next t1 t2 h_2 h_rows h_entering d_h_carried d_x x_out keep_tape arena order count rows
    own one mode s steps dims input param total final output hyper initial workspace asm
    INFINITY NAN EOF M_PI INT64_MAX size_t uint64_t printf free main errno stdin linux bool true
    self cls x_hat M omp_get_num_threads memset acc panel done longest block tiling sequences sum_
    fixed constant operand start thread powf floorf b_ T_ call_ j_ h_to h_from h_sum x_tape y1 jn
    """.split()
)
"""Names that mean something in C, in our own generated text, or beside another name in it."""

UNBOUNDED = 1e9
STATE_BOUND = 6.0
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
PER_CALL = ("param", "constant", "hyper")
PER_SEQUENCE = (*PER_CALL, "static")
ANYTHING = (*PER_SEQUENCE, "input", "state", "value")


@dataclass(frozen=True, slots=True)
class Term:
    """An expression with bounds of its value; `atom` needs no parentheses."""

    text: str
    low: float
    high: float
    atom: bool = False

    @property
    def inner(self) -> str:
        return self.text if self.atom else f"({self.text})"

    @property
    def size(self) -> float:
        return max(abs(self.low), abs(self.high))


@dataclass(frozen=True, slots=True)
class Known:
    """A name that expressions may read: what it is, its shape (None: a number), its bounds."""

    name: str
    kind: str
    shape: Dim | None
    bound: float


@dataclass(slots=True)
class Writer:
    """A spec under construction.

    `kinds` says what expressions may read at the moment, `odd` that every name is an odd one.
    """

    draw: st.DrawFn
    sizes: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    known: list[Known] = field(default_factory=list)
    sections: dict[str, dict[str, str]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    gaps: list[tuple[str, str]] = field(default_factory=list)
    unread: dict[str, None] = field(default_factory=dict)
    kinds: tuple[str, ...] = ANYTHING
    odd: bool = False

    def choose(self, *options: Choice) -> Choice:
        return self.draw(st.sampled_from(options))

    def often(self) -> bool:
        """False more often than true, and what it shrinks to."""
        return self.draw(st.integers(0, 2)) == 2

    def rarely(self) -> bool:
        return self.draw(st.integers(0, 9)) == 9

    # Names and declarations.

    def name(self, plain: str) -> str:
        if self.odd or self.rarely():
            odd = [name for name in ODD_NAMES if name not in self.taken]
            name = self.draw(st.sampled_from(odd))
        else:
            number = 1
            name = plain
            while name in self.taken:
                number += 1
                name = f"{plain}{number}"
        self.taken.add(name)
        return name

    def dim(self) -> Dim:
        """A size: a name of its own, a sum, a multiple, a number."""
        if not self.sizes or (len(self.sizes) < 3 and self.often()):
            self.sizes.append(self.name("HDK"[len(self.sizes)]))
        one, other = (Dim.named(self.choose(*self.sizes)) for _ in range(2))
        form = self.draw(st.integers(0, 11))
        forms = {7: one.times(2), 8: one.times(3), 9: Dim.fixed(4), 10: one + Dim.fixed(1)}
        return one + other if form == 11 else forms.get(form, one)

    def declare(
        self, section: str, name: str, shape: tuple[Dim, ...], *fields: str, bound: float = 2.0
    ) -> Known:
        dims = ", ".join(str(dim) for dim in shape)
        entry = "".join(f", {field}" for field in fields if field)
        self.sections.setdefault(section, {})[name] = f"{{shape: [{dims}]{entry}}}"
        kind = {"inputs": "input", "states": "state", "params": "param", "constants": "constant"}
        known = Known(name, kind.get(section, section), shape[0] if shape else None, bound)
        if len(shape) < 2:
            self.known.append(known)
        return known

    def declare_leaf(self, kind: str, shape: Dim | None) -> Term:
        """Something new to read, of any kind that has no value of its own in the step."""
        axes = () if shape is None else (shape,)
        if kind == "param":
            return self.read(self.declare("params", self.name("b"), axes))
        if kind == "constant":
            return self.read(self.declare("constants", self.name("c"), axes))
        grad = "grad: false" if self.rarely() else ""
        default = self.choose("", "default: 0.5") if self.rarely() else ""
        section, plain = ("static", "s") if kind == "static" else ("inputs", "x")
        return self.read(self.declare(section, self.name(plain), axes, grad, default))

    def hyper(self) -> Term:
        """A positive number that the caller gives."""
        found = self.sections.setdefault("hyper", {})
        name = self.choose(*found) if found and not self.rarely() else self.name("beta")
        found.setdefault(name, self.choose("1.0", "0.5", "2"))
        return Term(name, 0.5, 2.0, atom=True)

    def read(self, known: Known) -> Term:
        self.unread.pop(known.name, None)
        return Term(known.name, -known.bound, known.bound, atom=True)

    @contextmanager
    def only(self, kinds: tuple[str, ...]) -> Iterator[None]:
        """Expressions read nothing but `kinds`."""
        before, self.kinds = self.kinds, kinds
        yield
        self.kinds = before

    # Expressions: `shape` None asks for a number; a number may stand for a vector, not vice versa.

    def leaf(self, shape: Dim | None) -> Term:
        found = [k for k in self.known if k.shape == shape and k.kind in self.kinds]
        new = [kind for kind in ("input", "param", "static", "constant") if kind in self.kinds]
        if found and not self.often():
            return self.read(self.draw(st.sampled_from(found)))
        kind = self.choose(*new)
        if kind in ("input", "static") and self.often():
            return self.gap(kind, shape)
        if shape is None and self.often():
            return self.hyper() if "hyper" in self.kinds and self.often() else self.literal()
        return self.declare_leaf(kind, shape)

    def literal(self) -> Term:
        value = self.choose(1.0, 0.5, 0.0, 2.0, -1.5, 0.1, 1e-3)
        return Term(f"{value:g}", value, value, atom=value >= 0)

    def gap(self, kind: str, shape: Dim | None, other: str = "") -> Term:
        """An input that is read only where its mask allows it, `other` everywhere else."""
        section = "static" if kind == "static" else "inputs"
        axes = () if shape is None else (shape,)
        default = self.choose("", "default: 1", "default: 0")
        mask = self.declare(section, self.name("m"), axes, "role: mask", default)
        masked = self.declare(section, self.name("x"), axes)
        self.known.remove(masked)
        self.gaps.append((masked.name, mask.name))
        wrapped = self.choose("{}", "tanh({})", "log({0} * {0})", "(0.5 * {0} + {0})", "sqrt({})")
        inside = wrapped.format(masked.name)
        # entries that may be read are kept positive by whoever makes the data
        other = other or self.leaf(shape).text
        return Term(f"where({mask.name} > 0, {inside}, {other})", -9.0, 9.0, atom=True)

    def term(self, shape: Dim | None, depth: int) -> Term:
        if depth <= 0:
            return self.leaf(shape)
        forms = [self.leaf_form, self.product, self.unary, self.arithmetic, self.gentle]
        forms += [self.positive_form, self.choice, self.choice, self.extremum, self.power]
        if shape is None:
            forms.append(self.reduction)
        else:
            forms += [self.product, self.affine, self.affine, self.norm]
            if shape.constant + sum(factor for _, factor in shape.terms) > 1:
                forms.append(self.joined)
        return self.draw(st.sampled_from(forms))(shape, depth - 1)

    def leaf_form(self, shape: Dim | None, depth: int) -> Term:
        return self.leaf(shape)

    def operand(self, shape: Dim | None, depth: int) -> Term:
        """A vector, or sometimes a number that is spread over one."""
        return self.term(None if self.often() else shape, depth)

    def product(self, shape: Dim | None, depth: int) -> Term:
        if shape is None:
            return self.reduction(shape, depth)
        of = self.dim()
        vector = self.term(of, depth)
        section = "constants" if self.rarely() else "params"
        known = [
            name
            for name, entry in self.sections.get(section, {}).items()
            if entry == f"{{shape: [{shape}, {of}]}}"
        ]
        if known and self.often():
            matrix = self.choose(*known)
        else:
            matrix = self.name("A" if section == "constants" else "W")
            self.declare(section, matrix, (shape, of))
        # rows are scaled with their length: five times the deviation of the sum
        size = 3 * vector.size
        return Term(f"{matrix} @ {vector.inner}", -size, size)

    def affine(self, shape: Dim | None, depth: int) -> Term:
        """`W @ a + U @ b + c`: what most gates are made of."""
        parts = [self.product(shape, depth - 1) for _ in range(self.draw(st.integers(1, 3)))]
        parts.append(self.leaf(shape))
        size = sum(part.size for part in parts)
        return Term(" + ".join(part.text for part in parts), -size, size)

    def reduction(self, shape: Dim | None, depth: int) -> Term:
        of = self.dim()
        first = self.bounded(of, depth, 3.0)
        form = self.choose("dot", "mean", "sum", "@")
        size = first.size * (1.0 if form == "mean" else 60.0)
        if form in ("mean", "sum"):
            return Term(f"{form}({first.text})", -size, size, atom=True)
        other = self.leaf(of)
        size *= other.size
        if form == "dot":
            return Term(f"dot({first.text}, {other.text})", -size, size, atom=True)
        return Term(f"{first.inner} @ {other.inner}", -size, size)

    def unary(self, shape: Dim | None, depth: int) -> Term:
        functions = {
            "tanh": (-1.0, 1.0),
            "sigmoid": (0.0, 1.0),
            "hard_sigmoid": (0.0, 1.0),
            "relu": (0.0, UNBOUNDED),
            "abs": (0.0, UNBOUNDED),
            "softplus": (0.0, UNBOUNDED),
            "logsigmoid": (-UNBOUNDED, 0.0),
            "-": (-UNBOUNDED, UNBOUNDED),
        }
        name = self.choose(*functions)
        inner = self.term(shape, depth)
        if name == "-":
            return Term(f"-{inner.inner}", -inner.high, -inner.low)
        low, high = functions[name]
        size = inner.size + 1.0
        return Term(f"{name}({inner.text})", max(low, -size), min(high, size), atom=True)

    def arithmetic(self, shape: Dim | None, depth: int) -> Term:
        sign = self.choose("+", "-", "*")
        left, right = self.operand(shape, depth), self.term(shape, depth)
        if sign == "-":
            low, high = left.low - right.high, left.high - right.low
        elif sign == "+":
            low, high = left.low + right.low, left.high + right.high
        else:
            ends = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
            low, high = min(ends), max(ends)
        return Term(f"{left.inner} {sign} {right.inner}", low, high)

    def bounded(self, shape: Dim | None, depth: int, bound: float) -> Term:
        """Within -bound..bound."""
        term = self.term(shape, depth)
        return term if term.size <= bound else Term(f"tanh({term.text})", -1.0, 1.0, atom=True)

    def positive(self, shape: Dim | None, depth: int) -> Term:
        """At least 0.05, and not large."""
        inner = self.bounded(shape, depth, 4.0)
        form = self.choose(
            "{0} * {0} + 0.5",
            "softplus({1}) + 0.1",
            "sigmoid({1}) + 0.2",
            "exp({1})",
            "abs({1}) + 1",
        )
        text = form.format(inner.inner, inner.text)
        return Term(text, 0.018, 60.0, atom=text.startswith("exp"))

    def gentle(self, shape: Dim | None, depth: int) -> Term:
        """Functions whose operands may not be large."""
        form = self.choose("exp", "exp(-relu)", "mod", "clip")
        if form == "exp":
            return Term(f"exp({self.bounded(shape, depth, 2.0).text})", 0.13, 7.4, atom=True)
        if form == "exp(-relu)":
            return Term(f"exp(-relu({self.term(shape, depth).text}))", 0.0, 1.0, atom=True)
        if form == "mod":
            other = self.choose("1", "0.7", "2.5", "3")
            inner = self.bounded(shape, depth, 20.0)
            return Term(f"mod({inner.text}, {other})", -0.01, float(other), atom=True)
        low, high = self.choose(("-1", "1"), ("0", "0.5"), ("-0.25", "2"))
        inner = self.term(shape, depth)
        if "hyper" in self.kinds and self.often():
            limit = self.hyper().text
            return Term(f"clip({inner.text}, -{limit}, {limit})", -2.0, 2.0, atom=True)
        return Term(f"clip({inner.text}, {low}, {high})", float(low), float(high), atom=True)

    def positive_form(self, shape: Dim | None, depth: int) -> Term:
        """Functions that need a positive operand."""
        form = self.choose("/", "log", "sqrt", "mod")
        positive = self.positive(shape, depth - 1)
        if form == "log":
            return Term(f"log({positive.text})", -5.0, 5.0, atom=True)
        if form == "sqrt":
            return Term(f"sqrt({positive.text})", 0.1, 8.0, atom=True)
        if form == "mod":
            inner = self.bounded(shape, depth, 4.0)
            return Term(f"mod({inner.text}, {positive.text})", -0.01, positive.high, atom=True)
        left = self.bounded(shape, depth, 4.0)
        return Term(f"{left.inner} / {positive.inner}", -220.0, 220.0)

    def power(self, shape: Dim | None, depth: int) -> Term:
        exponent = self.choose("2", "3", "-1", "0.5", "-2", "1.5", "-0.5", "0", "1", "5")
        if exponent in ("2", "3", "0", "1", "5"):
            inner = self.bounded(shape, depth, 2.0)
            size = max(1.0, inner.size) ** int(exponent)
            low = 0.0 if exponent in ("0", "2") else -size
            return Term(f"{inner.inner} ** {exponent}", low, size)
        base = self.positive(shape, depth)
        return Term(f"{base.inner} ** {exponent}", 0.0, 3200.0)

    def choice(self, shape: Dim | None, depth: int) -> Term:
        left, right = self.operand(shape, depth - 1), self.leaf(shape)
        taken, otherwise = self.operand(shape, depth), self.term(shape, depth - 1)
        text = f"{left.inner} {self.choose(*COMPARISONS)} {right.inner}"
        low, high = min(taken.low, otherwise.low), max(taken.high, otherwise.high)
        return Term(f"where({text}, {taken.text}, {otherwise.text})", low, high, atom=True)

    def extremum(self, shape: Dim | None, depth: int) -> Term:
        name = self.choose("min", "max")
        left, right = self.operand(shape, depth), self.term(shape, depth - 1)
        bound = min if name == "min" else max
        low, high = bound(left.low, right.low), bound(left.high, right.high)
        return Term(f"{name}({left.text}, {right.text})", low, high, atom=True)

    def norm(self, shape: Dim, depth: int) -> Term:
        args = [self.term(shape, depth).text]
        args += [self.leaf(shape).text for _ in range(self.draw(st.integers(0, 2)))]
        if self.often():
            args.append(f"eps={self.choose('1e-3', '0.01', '0.1')}")
        return Term(f"layernorm({', '.join(args)})", -20.0, 20.0, atom=True)

    def joined(self, shape: Dim, depth: int) -> Term:
        """`concat` of vectors and numbers that add up to `shape`."""
        pieces = [Dim.named(name) for name, factor in shape.terms for _ in range(factor)]
        pieces += [Dim.fixed(1)] * shape.constant
        cut = self.draw(st.integers(1, len(pieces) - 1))
        parts: list[Term] = []
        for group in (pieces[:cut], pieces[cut:]):
            size = sum(group, Dim(()))
            number = size == Dim.fixed(1) and self.often()
            parts.append(self.term(None if number else size, depth - 1))
        low, high = min(p.low for p in parts), max(p.high for p in parts)
        return Term(f"concat({', '.join(p.text for p in parts)})", low, high, atom=True)
