"""A cell as an ONNX model of one operator, from the spec's `interchange: onnx:` table."""

from __future__ import annotations

from typing import Any

from onnx import TensorProto, checker, helper, numpy_helper

from grugen.bench.engines.job import Job, NotPossible
from grugen.bench.weights import exported, pieces, tensors_of

OPERATORS = {3: "GRU", 4: "LSTM", 1: "RNN"}
"""By how many pieces W is stacked of."""

OPSET = 14


def onnx_model(job: Job) -> Any:
    """The model: input X (T, B, D), outputs Y (T, 1, B, H) and Y_h (1, B, H)."""
    tensors = tensors_of(job.cell, "onnx")
    if not tensors:
        raise NotPossible("the spec has no table  interchange: onnx:")
    weights = exported(tensors, job.data.params)
    gates = next(pieces(tensor) for tensor in tensors if tensor.name == "W")
    (x,) = job.data.inputs.values()
    hidden = weights["R"].shape[2]
    attributes: dict[str, Any] = {"hidden_size": hidden}
    if OPERATORS[len(gates)] == "GRU":
        biases = next(pieces(tensor) for tensor in tensors if tensor.name == "B")
        half = len(biases) // 2
        # two biases of their own are of use only where the reset comes after the product
        attributes["linear_before_reset"] = int(biases[:half] != biases[half:])
    steps, batch, size = x.shape
    graph = helper.make_graph(
        [helper.make_node(OPERATORS[len(gates)], ["X", *"WRB"], ["Y", "Y_h"], **attributes)],
        job.cell.name,
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [steps, batch, size])],
        [
            helper.make_tensor_value_info("Y", TensorProto.FLOAT, [steps, 1, batch, hidden]),
            helper.make_tensor_value_info("Y_h", TensorProto.FLOAT, [1, batch, hidden]),
        ],
        [numpy_helper.from_array(weights[name], name) for name in "WRB"],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    checker.check_model(model)
    return model
