"""`gru_d` as a loop in PyTorch, as published code writes it, but with stacked weights.

What plainly needs no state, both decays and the product with the mask, is computed for all steps at
once.
"""

import torch
from torch import Tensor
from torch.nn.functional import linear

LAYOUT = {
    "W": ["W_z", "W_r", "W_n"],
    "V": ["V_z", "V_r", "V_n"],
    "U_zr": ["U_z", "U_r"],
    "U_n": ["U_n"],
    "b": ["b_z", "b_r", "b_n"],
    "w_gx": ["w_gx"],
    "b_gx": ["b_gx"],
    "W_gh": ["W_gh"],
    "b_gh": ["b_gh"],
}


def step(
    x: Tensor,
    observed: Tensor,
    gamma_x: Tensor,
    gamma_h: Tensor,
    from_m: Tensor,
    h: Tensor,
    x_last: Tensor,
    x_mean: Tensor,
    W: Tensor,
    U_zr: Tensor,
    U_n: Tensor,
) -> tuple[Tensor, Tensor]:
    H = U_n.shape[0]
    x_hat = torch.where(observed, x, gamma_x * x_last + (1 - gamma_x) * x_mean)
    h_hat = gamma_h * h
    from_x = linear(x_hat, W) + from_m
    z, r = torch.sigmoid(from_x[:, : 2 * H] + linear(h_hat, U_zr)).chunk(2, 1)
    n = torch.tanh(from_x[:, 2 * H :] + linear(r * h_hat, U_n))
    return h_hat + z * (n - h_hat), torch.where(observed, x, x_last)


def run(
    weights: dict[str, Tensor], inputs: dict[str, Tensor], constants: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    x, m, delta = inputs["x"], inputs["m"], inputs["delta"]
    x_mean = constants["x_mean"]
    W, U_zr, U_n = weights["W"], weights["U_zr"], weights["U_n"]
    gamma_x = torch.exp(-torch.relu(weights["w_gx"] * delta + weights["b_gx"]))
    gamma_h = torch.exp(-torch.relu(linear(delta, weights["W_gh"], weights["b_gh"])))
    from_m = linear(m, weights["V"], weights["b"])
    observed = m > 0
    h = x.new_zeros(x.shape[1], U_n.shape[0])
    x_last = torch.zeros_like(x[0])
    y = []
    for t in range(x.shape[0]):
        g_x, g_h = gamma_x[t], gamma_h[t]
        h, x_last = step(x[t], observed[t], g_x, g_h, from_m[t], h, x_last, x_mean, W, U_zr, U_n)
        y.append(h)
    return {"y": torch.stack(y)}, {"h": h, "x_last": x_last}
