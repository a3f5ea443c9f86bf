"""`gru` as a scan in JAX; the input product is computed for all steps at once."""

import jax
import jax.numpy as jnp

LAYOUT = {
    "W": ["W_z", "W_r", "W_n"],
    "U_zr": ["U_z", "U_r"],
    "U_n": ["U_n"],
    "b": ["b_z", "b_r", "b_n"],
}


def run(weights, inputs, constants):
    U_zr, U_n = weights["U_zr"], weights["U_n"]
    H = len(U_n)

    def step(h, from_x):
        z, r = jnp.split(jax.nn.sigmoid(from_x[:, : 2 * H] + h @ U_zr.T), 2, 1)
        n = jnp.tanh(from_x[:, 2 * H :] + (r * h) @ U_n.T)
        h = h + z * (n - h)
        return h, h

    x = inputs["x"]
    start = jnp.zeros((x.shape[1], H), x.dtype)
    h, y = jax.lax.scan(step, start, x @ weights["W"].T + weights["b"])
    return {"y": y}, {"h": h}
