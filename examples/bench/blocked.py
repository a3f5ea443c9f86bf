"""The products that generated code is made of, callable from Python with arrays of any size.

They are built from the same headers, tiles and flags as a cell's library. A call is prepared once,
so that a timed repeat is the product alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cffi
import numpy as np
from numpy.typing import NDArray

from grugen.assets import templates_folder
from grugen.render.c_expr import C_TYPES
from grugen.render.files import SUPPORT, tile_views
from grugen.target.schedule import OPENMP
from grugen.toolchain.build import DEFAULTS, BuildOptions, SourceBundle, build

Array = NDArray[Any]
Rows = NDArray[np.int64]
Product = Callable[[], None]
Allocate = Callable[[int, np.dtype[Any]], Array]

ALIGNMENT = 64

DECLARATIONS = """
typedef struct {
    int list; const REAL *left; int64_t left_stride, units; REAL *total, *sum;
} grugen_outer;
typedef struct {
    int list; const REAL *values; int64_t stride, units; REAL *total;
} grugen_summand;
typedef struct { int64_t *in[2]; int64_t count; } grugen_rows;
int64_t products_packed(void);
int64_t products_outer_shared(
    int64_t count, int64_t left_units, int64_t right_units, int64_t ones);
int64_t products_vector_shared(int64_t count, int64_t units);
void products_outer(int threads, const grugen_rows *rows, const grugen_outer *outers,
    int64_t number, const grugen_outer *right, REAL *packed, REAL *shared);
void products_vectors(int threads, const grugen_rows *rows, const grugen_summand *summands,
    int64_t number, REAL *shared);
void products_list_rows(const int64_t *lengths, int64_t T, int64_t B, int64_t sequences,
    grugen_rows *rows);
int64_t products_padded(int64_t units);
int64_t products_panel(int64_t depth, int64_t units);
void products_pack(REAL *panel, int64_t depth, const REAL *matrix, int64_t units);
void products_ahead(int threads, const REAL *panel, int64_t depth, const REAL *operand,
    int64_t rows, int64_t stride, REAL *out);
"""


def aligned(count: int, dtype: np.dtype[Any]) -> Array:
    """Memory as a workspace is: on a cache line."""
    memory = np.empty(count * dtype.itemsize + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + count * dtype.itemsize].view(dtype)


class Blocked:
    """The library for one element type; `allocate` gives it the memory it works in."""

    def __init__(
        self, dtype: str, options: BuildOptions = DEFAULTS, allocate: Allocate = aligned
    ) -> None:
        self.dtype = np.dtype(dtype)
        self._allocate = allocate
        real = C_TYPES[dtype]
        self._ffi = cffi.FFI()
        self._ffi.cdef(DECLARATIONS.replace("REAL", real))
        self._library: Any = self._ffi.dlopen(str(build(_bundle(real), options)))

    def outer_totals(
        self,
        lefts: Sequence[Array],
        right: Array,
        totals: Sequence[Array],
        rows: Rows | None = None,
        threads: int = 1,
        sums: Sequence[Array | None] = (),
    ) -> Product:
        """Adds left[rows].T @ right[rows] to the total of each left, its own sum to its sum."""
        count = len(right) if rows is None else len(rows)
        units = sum(left.shape[1] for left in lefts)
        outers = self._ffi.new("grugen_outer[]", [
            (*self._operand(left), self._at(total), by_itself)
            for left, total, by_itself in zip(lefts, totals, self._sums(sums, lefts), strict=True)
        ])  # fmt: skip
        packed = self._memory(self._library.products_packed() * threads)
        ones = int(any(by_itself is not None for by_itself in sums))
        elements = self._library.products_outer_shared(count, units, right.shape[1], ones)
        shared = self._memory(elements)
        other = (*self._operand(right), self._ffi.NULL, self._ffi.NULL)
        arguments = (
            *(threads, self._rows(rows, count), outers, len(lefts)),
            *(self._ffi.new("grugen_outer *", other), self._at(packed), self._at(shared)),
        )
        kept = (lefts, right, totals, sums, rows, packed, shared)
        return self._prepared(self._library.products_outer, arguments, kept)

    def vector_totals(
        self,
        values: Sequence[Array],
        totals: Sequence[Array],
        rows: Rows | None = None,
        threads: int = 1,
    ) -> Product:
        """Adds the sum of value[rows] over its rows to the total of each value."""
        count = len(values[0]) if rows is None else len(rows)
        units = sum(value.shape[1] for value in values)
        summands = self._ffi.new("grugen_summand[]", [
            (*self._operand(value), self._at(total))
            for value, total in zip(values, totals, strict=True)
        ])  # fmt: skip
        shared = self._memory(self._library.products_vector_shared(count, units))
        arguments = (
            threads,
            self._rows(rows, count),
            summands,
            len(values),
            self._at(shared),
        )
        return self._prepared(
            self._library.products_vectors, arguments, (values, totals, rows, shared)
        )

    def listed(self, lengths: Rows, steps: int, sequences: int) -> tuple[Rows, Rows]:
        """The rows of a call's steps in arrays of its caller and in memory of its kernel's own."""
        given, own = (np.full(steps * len(lengths), -1) for _ in range(2))
        lists = [self._ffi.cast("int64_t *", rows.ctypes.data) for rows in (given, own)]
        rows = self._ffi.new("grugen_rows *", {"in": lists})
        at = self._ffi.cast("int64_t *", lengths.ctypes.data)
        self._library.products_list_rows(at, steps, len(lengths), sequences, rows)
        return given[: rows.count], own[: rows.count]

    def ahead(self, operand: Array, matrix: Array, threads: int = 1) -> tuple[Product, Array]:
        """The product with packed weights, and where operand @ matrix.T appears."""
        units, depth = matrix.shape
        stride = self._library.products_padded(units)
        panel = self._memory(self._library.products_panel(depth, units))
        self._library.products_pack(self._at(panel), depth, self._at(matrix), units)
        out = self._memory(len(operand) * stride)
        arguments = (
            *(threads, self._at(panel), depth, self._at(operand), len(operand)),
            *(units, self._at(out)),
        )
        product = self._prepared(self._library.products_ahead, arguments, (operand, panel, out))
        return product, out.reshape(len(operand), stride)[:, :units]

    def _prepared(self, function: Any, arguments: tuple[Any, ...], kept: Any) -> Product:
        def call(kept: Any = kept) -> None:
            function(*arguments)

        return call

    def _memory(self, count: int) -> Array:
        return self._allocate(count, self.dtype)

    def _at(self, array: Array) -> Any:
        assert array.dtype == self.dtype
        return self._ffi.cast(f"{C_TYPES[self.dtype.name]} *", array.ctypes.data)

    def _sums(self, sums: Sequence[Array | None], lefts: Sequence[Array]) -> list[Any]:
        found = sums or [None for _ in lefts]
        return [self._ffi.NULL if one is None else self._at(one) for one in found]

    def _operand(self, array: Array) -> tuple[int, Any, int, int]:
        # both lists of rows are the same here: any of them will do
        return 0, self._at(array), self._stride(array), array.shape[1]

    def _rows(self, rows: Rows | None, count: int) -> Any:
        one = self._ffi.NULL if rows is None else self._ffi.cast("int64_t *", rows.ctypes.data)
        return self._ffi.new("grugen_rows *", {"in": [one, one], "count": count})

    @staticmethod
    def _stride(array: Array) -> int:
        return array.strides[0] // array.itemsize


def _bundle(real: str) -> SourceBundle:
    text = Path(__file__).with_name("products.c").read_text(encoding="utf-8")
    head = f"#define GRUGEN_REAL {real}\n#define GRUGEN_REAL_IS_F32 {int(real == 'float')}\n"
    main = head + tiles_text() + text
    support = [templates_folder() / path for path in SUPPORT["openmp"]]
    headers = ((path.name, path.read_text(encoding="utf-8")) for path in support)
    return SourceBundle("products", (("products.c", main), *headers))


def tiles_text() -> str:
    """The register tiles of all instruction sets, as every generated source has them."""
    lines = [
        f"#define GRUGEN_TILE_SEQUENCES {OPENMP.tile_sequences}",
        f"#define GRUGEN_BLOCK_BYTES {OPENMP.block_bytes}",
    ]
    for tile in tile_views(OPENMP):
        lines += [
            tile.condition,
            f"#define GRUGEN_VECTOR_BYTES {tile.vector_bytes}",
            f"#define GRUGEN_MOST_VECTORS {tile.most_vectors}",
            f"#define GRUGEN_ROWS_OF(v) ({tile.rows_of})",
        ]
    return "\n".join([*lines, "#endif", ""])
