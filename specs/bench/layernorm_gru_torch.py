"""`layernorm_gru` as a loop in PyTorch, which has no such layer.

What comes from the input is computed for all steps at once.
"""

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

LAYOUT = {
    "W": ["W"],
    "U": ["U"],
    "b": ["b"],
    "c": ["c"],
    "gain_x": ["gain_x"],
    "gain_h": ["gain_h"],
}


def step(from_x: Tensor, h: Tensor, U: Tensor, c: Tensor, gain_h: Tensor) -> Tensor:
    x_z, x_r, x_n = from_x.chunk(3, 1)
    from_h = layer_norm(linear(h, U), (U.shape[0],), gain_h, c, 1e-5)
    h_z, h_r, h_n = from_h.chunk(3, 1)
    z = torch.sigmoid(x_z + h_z)
    r = torch.sigmoid(x_r + h_r)
    n = torch.tanh(x_n + r * h_n)
    return n + z * (h - n)


def run(
    weights: dict[str, Tensor], inputs: dict[str, Tensor], constants: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    x = inputs["x"]
    U, c, gain_h = weights["U"], weights["c"], weights["gain_h"]
    from_x = layer_norm(
        linear(x, weights["W"]), (U.shape[0],), weights["gain_x"], weights["b"], 1e-5
    )
    h = x.new_zeros(x.shape[1], U.shape[1])
    y = []
    for t in range(x.shape[0]):
        h = step(from_x[t], h, U, c, gain_h)
        y.append(h)
    return {"y": torch.stack(y)}, {"h": h}
