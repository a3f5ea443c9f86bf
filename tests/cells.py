"""Small cells that tests are written around, as text."""

from __future__ import annotations

RUNNING_MAX = """\
spec: 1
name: running_max
doc: The largest value so far; there is none at first.
inputs:
  x: [D]
states:
  best: {shape: [D], init: -inf}
equations: |
  best' = max(best, x)
outputs:
  y: best'
"""

LOG_SUM_EXP = """\
spec: 1
name: log_sum_exp
doc: log(exp(x_1) + ... + exp(x_t)) without overflow, from the largest value so far.
inputs:
  x: [D]
states:
  top: {shape: [D], init: -inf}
  total: [D]
equations: |
  top'   = max(top, x)
  total' = total * exp(top - top') + exp(x - top')
  y      = top' + log(total')
outputs:
  y: y
"""

GAPS = """\
spec: 1
name: gaps
doc: Every way an entry behind a mask may be read.
inputs:
  x: [D]
  m: {shape: [D], role: mask}
  v: []
  n: {shape: [], role: mask}
static:
  s: [D]
  k: {shape: [D], role: mask}
states:
  h: [D]
  last: {shape: [D], init: inf}
params:
  W: [D, D]
  b: [D]
equations: |
  a     = where(m > 0, log(x) * sqrt(x) / x ** 2 + exp(b * x), h)
  c     = where(m == 0, h * b, tanh(x) + x * last ** 0 - b / x)
  d     = where(n > 0, v * b, b) + where(k > 0, s ** -0.5, b * h)
  e     = where(m > 0, where(n > 0, x * v, x), where(n > 0, v, 0.5))
  h'    = tanh(W @ (a + c) + d * e)
  last' = where(m > 0, x, last)
outputs:
  y: h'
  e: e
"""

SATURATED = ("gru", "gru_cho", "gru_reset_after", "lstm", "mgu")
"""Shipped cells whose gates see x through one product and a sigmoid or tanh."""

EVERY_MEETING = """\
spec: 1
name: every_meeting
doc: Chained products, numbers between them, a state that is copied - all that threads wait for.
inputs: {x: [D]}
states: {h: [H], c: [H], n: [], e: [D]}
params: {W: [H, D], U: [H, H], V: [H, H], b: [H], Q: [D, D]}
equations: |
  m  = mean(h)
  a  = tanh(W @ x + U @ h - m * h)
  g  = sigmoid(V @ (a * c) + b * n)
  h' = a + g * (c - a)
  c' = h
  n' = 0.5 * n + 0.5 * tanh(sum(a * g))
  e' = tanh(Q @ e + x * n)
outputs: {y: h', k: n', z: e'}
"""

TIED = """\
spec: 1
name: tied
inputs: {x: [H]}
static: {s: [H]}
states: {h: [H], c: [H]}
params: {W: [H, H], b: [H], k: []}
equations: |
  g  = sigmoid(W @ x + b + k * s)
  h' = tanh(W @ h + b * c + s)
  c' = g * c + W @ (h * x) + k * h'
outputs: {y: h', z: c'}
"""
"""All that has a gradient is read several times, by products ahead of the loop and in it, too."""

SUMMED_STATE = """\
spec: 1
name: summed_state
inputs: {x: [H]}
constants: {a: [H]}
states: {n: [], c: [H], d: [H]}
equations: |
  v  = d + x
  n' = tanh(dot(where(n > c, a, c), v))
  c' = n
  d' = sigmoid(a) * d
outputs: {y: v}
"""
"""Backward, the sum over the gradient of a state is all that is read whole: no product is."""

CALLED_LIKE_OURS = """\
spec: 1
name: called_like_ours
inputs: {x: [H]}
states: {h: [H], count: [H]}
params: {W: [H, H], g: [H]}
equations: |
  shared = sigmoid(W @ x) + tanh(W @ x)
  h'     = tanh(W @ h + shared * h)
  count' = tanh(g * count + x)
outputs: {y: h', z: count'}
"""
"""Words that kernels over all rows, and loops in place, have for themselves."""
