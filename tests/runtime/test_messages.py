"""Every refusal of `Cell` and `forward`, word for word."""

from __future__ import annotations

import dataclasses
from typing import Any, NoReturn

import leak
import numpy as np
import pytest

from grugen.errors import UsageError
from grugen.runtime import ArrayInfo, Cell, CellModule, known, params

T, B = 4, 3
X = np.ones((T, B, 3))


def said(call: Any, *args: Any, **arguments: Any) -> str:
    with pytest.raises(UsageError) as caught:
        call(*args, **arguments)
    return str(caught.value)


BECAUSE = ", because input 'x' has T = 4 and B = 3"
UNALIGNED = np.frombuffer(b"\0" * (T * B * 3 * 8 + 1), np.uint8)[1:].view(np.float64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "forward of 'leak' needs 'x' with shape (T, B, D) = (?, ?, 3) too"),
        (
            {"x": X, "z": X},
            "forward of 'leak' has no 'z'\nhelp: its arrays are 'x', 'm' and 's'",
        ),
        ({"x": X, "length": X}, "forward of 'leak' has no 'length'\nhelp: did you mean 'lengths'?"),
        (
            {"x": [[[1.0]]]},
            "input 'x' is of type list; a NumPy array of float64 is needed",
        ),
        (
            {"x": X.astype(np.float32)},
            "input 'x' has dtype float32; float64 is needed\nhelp: pass x.astype(np.float64)",
        ),
        (
            {"x": X.astype(">f8")},
            "input 'x' has dtype >f8; float64 is needed\nhelp: pass x.astype(np.float64)",
        ),
        (
            {"x": X.astype(object)},
            "input 'x' has dtype object; float64 is needed\nhelp: pass x.astype(np.float64)",
        ),
        (
            {"x": X, "m": X.astype(np.int64)},
            "input 'm' has dtype int64; float64, bool or uint8 is needed\n"
            "help: pass m.astype(np.float64)",
        ),
        (
            {"x": np.ma.masked_array(X)},
            "input 'x' is a masked array, and its mask would be lost\n"
            "help: pass x.filled(0), and what is missing as an input of its own",
        ),
        ({"x": X[0]}, "input 'x' has shape (3, 3); (T, B, D) = (?, ?, 3) is needed"),
        (
            {"x": np.ones((T, B, 5))},
            "input 'x' has shape (4, 3, 5); (T, B, D) = (?, ?, 3) is needed",
        ),
        (
            {"x": X, "m": X[:2]},
            f"input 'm' has shape (2, 3, 3); (T, B, D) = (4, 3, 3) is needed{BECAUSE}",
        ),
        (
            {"x": X, "s": np.ones((2, 3))},
            f"static input 's' has shape (2, 3); (B, D) = (3, 3) is needed{BECAUSE}",
        ),
        (
            {"x": X.transpose(1, 0, 2)[:3, :3]},
            "input 'x' is not C-contiguous\nhelp: pass np.ascontiguousarray(x)",
        ),
        (
            {"x": UNALIGNED.reshape(T, B, 3)},
            "input 'x' is not aligned in memory\nhelp: pass x.copy()",
        ),
        (
            {"x": X, "states": {"h": np.ones(3)}},
            f"state 'h' has shape (3,); (B, D) = (3, 3) is needed{BECAUSE}",
        ),
        (
            {"x": X, "states": {"c": X[0]}},
            "states of 'leak' has no 'c'\nhelp: its states are 'h' and 'f'",
        ),
        (
            {"x": X, "states": [X[0]]},
            "states is of type list; a mapping of names to arrays is needed",
        ),
        (
            {"x": X, "lengths": [4, 3, 2]},
            "lengths is of type list; a NumPy array of integers with shape (B,) = (3,) is needed\n"
            "help: pass np.array(lengths)",
        ),
        (
            {"x": X, "lengths": np.ones(3)},
            "lengths has dtype float64; an integer dtype is needed\n"
            "help: pass lengths.astype(np.int64)",
        ),
        (
            {"x": X, "lengths": np.ones(3, np.bool_)},
            "lengths has dtype bool; an integer dtype is needed",
        ),
        (
            {"x": X, "lengths": np.ones(3, object)},
            "lengths has dtype object; an integer dtype is needed\n"
            "help: pass lengths.astype(np.int64)",
        ),
        (
            {"x": X, "lengths": np.ones(3, "m8[s]")},
            "lengths has dtype timedelta64[s]; an integer dtype is needed\n"
            "help: pass lengths.astype(np.int64)",
        ),
        (
            {"x": X, "lengths": np.ma.masked_array([1, 2, 3])},
            "lengths is a masked array, and its mask would be lost\nhelp: pass lengths.filled(0)",
        ),
        (
            {"x": X, "lengths": np.ones(4, np.int32)},
            f"lengths has shape (4,); (B,) = (3,) is needed{BECAUSE}",
        ),
        (
            {"x": X, "lengths": np.array([4, 5, 0], np.uint8)},
            "lengths[1] is 5; it must be from 0 to T = 4",
        ),
        (
            {"x": X, "lengths": np.array([0, 0, -1])},
            "lengths[2] is -1; it must be from 0 to T = 4",
        ),
        (
            {"x": X, "lengths": np.array([2**63, 0, 0], np.uint64)},
            "lengths[0] is 9223372036854775808; it must be from 0 to T = 4",
        ),
        ({"x": X, "reverse": "no"}, "reverse is 'no'; True or False is needed"),
        ({"x": X, "tape": "all"}, "tape is 'all'; True, False, 'gates' or 'states' is needed"),
        ({"x": X, "tape": X}, f"tape is {X!r}; True, False, 'gates' or 'states' is needed"),
        ({"x": X, "threads": 0}, "threads is 0; a whole number of at least 1 is needed"),
        ({"x": X, "threads": True}, "threads is True; a whole number of at least 1 is needed"),
        ({"x": X, "threads": 2.0}, "threads is 2.0; a whole number of at least 1 is needed"),
    ],
)
def test_forward(arguments: dict[str, Any], message: str, cell: Cell) -> None:
    assert said(cell.forward, **arguments) == message


C = np.ones(3, np.float32)
SHARED = np.zeros(2**27, np.float32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Cell of 'leak' needs 'D' and 'c' too"),
        ({"D": 3}, "Cell of 'leak' needs 'c' too"),
        (
            {"D": 3, "c": C, "H": 4},
            "Cell of 'leak' has no 'H'\nhelp: its arguments are 'D', 'c' and 'k'",
        ),
        ({"D": 3, "c": C, "sead": 4}, "Cell of 'leak' has no 'sead'\nhelp: did you mean 'seed'?"),
        ({"D": 0, "c": C}, "dim 'D' is 0; a whole number of at least 1 is needed"),
        ({"D": 3.0, "c": C}, "dim 'D' is 3.0; a whole number of at least 1 is needed"),
        ({"D": True, "c": C}, "dim 'D' is True; a whole number of at least 1 is needed"),
        (
            {"D": 10**30, "c": C},
            f"dim 'D' is {10**30}; at most 2147483647 is possible",
        ),
        ({"D": 3, "c": C, "k": "1"}, "hyper 'k' is '1'; a number is needed"),
        ({"D": 3, "c": 1.0}, "constant 'c' is of type float; a NumPy array of float32 is needed"),
        ({"D": 4, "c": C}, "constant 'c' has shape (3,); (D,) = (4,) is needed"),
        (
            {"D": 3, "c": C.astype(np.float64)},
            "constant 'c' has dtype float64; float32 is needed\nhelp: pass c.astype(np.float32)",
        ),
        (
            {"D": 3, "c": C, "seed": -1},
            "seed is -1; a whole number of at least 0, or None, is needed",
        ),
        (
            {"D": 3, "c": C, "seed": "a"},
            "seed is 'a'; a whole number of at least 0, or None, is needed",
        ),
        (
            {"D": 3, "c": C, "dtype": "float16"},
            "dtype is 'float16'; 'float32', 'float64' or 'bfloat16' is needed",
        ),
        (
            {"D": 3, "c": C, "target": "opnmp"},
            "there is no target 'opnmp'\nhelp: did you mean 'openmp'?",
        ),
        (
            {"D": 3, "c": C, "target": None, "dtype": ">f4"},
            "dtype is '>f4'; 'float32', 'float64' or 'bfloat16' is needed",
        ),
        (
            {"D": 3, "c": C, "target": 3},
            "there is no target 3\n"
            "help: the targets are 'numpy', 'sequential', 'openmp' and 'cuda'",
        ),
    ],
)
def test_cell(arguments: dict[str, Any], message: str, module: CellModule) -> None:
    arguments = {"dtype": "float32", **arguments}
    assert said(module.Cell, **arguments) == message


def test_arguments_without_names(module: CellModule, cell: Cell) -> None:
    by_name = "Cell of 'leak' takes its arguments by name\nhelp: write Cell"
    assert said(module.Cell, 3) == f"{by_name}(D=3)"
    assert said(module.Cell, 3, C) == f"{by_name}(D=...)"
    assert said(module.Cell, C) == f"{by_name}(D=...)"
    by_name = "forward of 'leak' takes its arrays by name\nhelp: write forward(x=...)"
    assert said(cell.forward, X) == by_name
    assert said(cell.freeze().forward, X) == by_name


def test_params_that_do_not_fit(module: CellModule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(params, "usable_memory", lambda: 2**20)
    # w in float32, and drawn in float64
    assert said(module.Cell, D=2**27, c=SHARED, dtype="float32") == (
        "the params need 1.5 GiB while they are drawn, there are 0.0 GiB\n"
        "help: param 'w' with shape (D,) = (134217728,) needs 0.5 GiB"
    )


def test_a_draw_that_runs_out_of_memory(
    module: CellModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*args: object) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr(params, "draw", draw)
    assert said(module.Cell, D=3, c=C, dtype="float32") == (
        "param 'w' with shape (D,) = (3,) needs 0.0 GiB, more memory than there is"
    )


@pytest.mark.parametrize("batch", [10**15, 10**18, 10**30])
def test_buffers_that_do_not_fit(batch: int, cell: Cell) -> None:
    assert said(cell.stepper, batch) == (
        f"input 'x' with shape (1, {batch}, 3) needs {batch * 24 / 2**30:.1f} GiB, "
        "more memory than there is"
    )


def test_results_that_do_not_fit(monkeypatch: pytest.MonkeyPatch, cell: Cell) -> None:
    run = cell.forward(x=X, tape=True)

    def empty(shape: tuple[int, ...], dtype: object) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr(np, "empty", empty)
    monkeypatch.setattr(known, "empty", empty)
    too_large = "needs 0.0 GiB, more memory than there is"
    assert said(cell.forward, x=X).endswith(too_large)
    assert said(cell.backward, run).endswith(too_large)


UNFIT = (
    "a whole number from -2 to 1, a slice, a list of such numbers or a mask of shape (2,) is needed"
)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (2, "there is no row 2; rows are from -2 to 1"),
        (-3, "there is no row -3; rows are from -2 to 1"),
        ([0, 2], "there is no row 2; rows are from -2 to 1"),
        (
            np.array([2**63], np.uint64),
            "there is no row 9223372036854775808; rows are from -2 to 1",
        ),
        (1.0, f"rows is 1.0; {UNFIT}"),
        ("a", f"rows is 'a'; {UNFIT}"),
        (True, f"rows is a mask of shape (); {UNFIT}"),
        (..., f"rows is Ellipsis; {UNFIT}"),
        ([[0], [0, 1]], f"rows is [[0], [0, 1]]; {UNFIT}"),
        (slice(1.5), f"rows is slice(None, 1.5, None); {UNFIT}"),
        (np.ones(1), f"rows is an array of float64 (1,); {UNFIT}"),
        (np.ones((1, 1), int), f"rows is an array of int64 (1, 1); {UNFIT}"),
        (np.ones(3, np.bool_), f"rows is a mask of shape (3,); {UNFIT}"),
        (np.ma.masked_array([1]), f"rows is a masked array; {UNFIT}"),
    ],
)
def test_rows_to_reset(rows: Any, message: str, cell: Cell) -> None:
    step = cell.stepper(2)
    step.states["h"][...] = 1
    assert said(step.reset, rows) == message
    np.testing.assert_array_equal(step.states["h"], np.ones((2, 3)))


def test_stepper(cell: Cell) -> None:
    assert said(cell.stepper, 0) == "batch is 0; a whole number of at least 1 is needed"
    assert said(cell.stepper, 1.5) == "batch is 1.5; a whole number of at least 1 is needed"
    step = cell.stepper()
    unknown = "step has no 'z'\nhelp: the inputs are 'x' and 'm'"
    assert said(step.inputs.__getitem__, "z") == unknown
    with pytest.raises(KeyError, match=r"^step has no 'z'\n"):
        step.inputs["z"] = X
    assert "z" not in step.inputs


def test_frozen_cells_keep_no_tape(cell: Cell) -> None:
    assert said(cell.freeze().forward, x=X, tape=True) == (
        "a frozen cell keeps no tape\nhelp: call forward of the cell that it was made from"
    )


def changed(**parts: Any) -> Cell:
    interface = dataclasses.replace(leak.interface("numpy"), **parts)
    return CellModule(interface, leak.engine, "numpy").Cell(D=3, c=np.ones(3))


def test_several_missing() -> None:
    cell = changed(static=(ArrayInfo("s", leak.D),))
    assert said(cell.forward) == (
        "forward of 'leak' needs 'x' with shape (T, B, D) = (?, ?, 3), "
        "'s' with shape (B, D) = (?, 3) too"
    )


def test_nothing_that_fixes_the_sizes() -> None:
    cell = changed(inputs=tuple(ArrayInfo(name, leak.D, default=0.0) for name in "xm"))
    expected = "forward of 'leak' cannot tell T and B: "
    assert said(cell.forward) == f"{expected}give one of 'x' or 'm'"
    cell = changed(inputs=(), states=())
    assert said(cell.forward) == f"{expected}the cell has no per-step inputs"
