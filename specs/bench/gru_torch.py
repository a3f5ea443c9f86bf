"""`gru` as a loop in PyTorch, which has no layer with the reset gate before the product."""

import torch
from torch import Tensor
from torch.nn.functional import linear

LAYOUT = {
    "W": ["W_z", "W_r", "W_n"],
    "U_zr": ["U_z", "U_r"],
    "U_n": ["U_n"],
    "b": ["b_z", "b_r", "b_n"],
}


def step(from_x: Tensor, h: Tensor, U_zr: Tensor, U_n: Tensor) -> Tensor:
    H = U_n.shape[0]
    z, r = torch.sigmoid(from_x[:, : 2 * H] + linear(h, U_zr)).chunk(2, 1)
    n = torch.tanh(from_x[:, 2 * H :] + linear(r * h, U_n))
    return h + z * (n - h)


def run(
    weights: dict[str, Tensor], inputs: dict[str, Tensor], constants: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    x = inputs["x"]
    U_zr, U_n = weights["U_zr"], weights["U_n"]
    from_x = linear(x, weights["W"], weights["b"])
    h = x.new_zeros(x.shape[1], U_n.shape[0])
    y = []
    for t in range(x.shape[0]):
        h = step(from_x[t], h, U_zr, U_n)
        y.append(h)
    return {"y": torch.stack(y)}, {"h": h}
