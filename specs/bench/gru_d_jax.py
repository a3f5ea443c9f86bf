"""`gru_d` as a scan in JAX; what plainly needs no state is computed for all steps at once."""

import jax
import jax.numpy as jnp

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


def run(weights, inputs, constants):
    x, m, delta = inputs["x"], inputs["m"], inputs["delta"]
    W, U_zr, U_n = weights["W"], weights["U_zr"], weights["U_n"]
    H = len(U_n)
    gamma_x = jnp.exp(-jax.nn.relu(weights["w_gx"] * delta + weights["b_gx"]))
    gamma_h = jnp.exp(-jax.nn.relu(delta @ weights["W_gh"].T + weights["b_gh"]))
    from_m = m @ weights["V"].T + weights["b"]

    def step(states, now):
        h, x_last = states
        x, observed, gamma_x, gamma_h, from_m = now
        x_hat = jnp.where(observed, x, gamma_x * x_last + (1 - gamma_x) * constants["x_mean"])
        h_hat = gamma_h * h
        from_x = x_hat @ W.T + from_m
        z, r = jnp.split(jax.nn.sigmoid(from_x[:, : 2 * H] + h_hat @ U_zr.T), 2, 1)
        n = jnp.tanh(from_x[:, 2 * H :] + (r * h_hat) @ U_n.T)
        h = h_hat + z * (n - h_hat)
        return (h, jnp.where(observed, x, x_last)), h

    start = jnp.zeros((x.shape[1], H), x.dtype), jnp.zeros_like(x[0])
    (h, x_last), y = jax.lax.scan(step, start, (x, m > 0, gamma_x, gamma_h, from_m))
    return {"y": y}, {"h": h, "x_last": x_last}
