"""`gru_reset_after` as a loop in PyTorch, for what compiles loops; eagerly torch.nn.GRU is used.

The input product is computed for all steps at once, as torch.nn.GRU does.
"""

import torch
from torch import Tensor
from torch.nn.functional import linear

LAYOUT = {
    "W": ["W_r", "W_z", "W_n"],
    "U": ["U_r", "U_z", "U_n"],
    "b": ["b_r", "b_z", "b_n"],
    "c": ["c_r", "c_z", "c_n"],
}


def step(from_x: Tensor, h: Tensor, U: Tensor, c: Tensor) -> Tensor:
    x_r, x_z, x_n = from_x.chunk(3, 1)
    h_r, h_z, h_n = linear(h, U, c).chunk(3, 1)
    r = torch.sigmoid(x_r + h_r)
    z = torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + r * h_n)
    return n + z * (h - n)


def run(
    weights: dict[str, Tensor], inputs: dict[str, Tensor], constants: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    x = inputs["x"]
    U, c = weights["U"], weights["c"]
    from_x = linear(x, weights["W"], weights["b"])
    h = x.new_zeros(x.shape[1], U.shape[1])
    y = []
    for t in range(x.shape[0]):
        h = step(from_x[t], h, U, c)
        y.append(h)
    return {"y": torch.stack(y)}, {"h": h}
