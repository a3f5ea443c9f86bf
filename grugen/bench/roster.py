"""The engines there are: their names, what they need installed, what they can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from grugen.bench.suites import FLOAT32, NUMBERS
from grugen.errors import UsageError
from grugen.spec.names import did_you_mean, listed


@dataclass(frozen=True, slots=True)
class Entry:
    """An engine. `build` is `module:function` in `grugen.bench.engines`.

    `needs` are packages that must be installed, `affinity` says that it is kept to its number of
    threads by the CPUs that it may use; `ragged`, that it runs sequences of different lengths;
    `peer`, that it is not ours. `device` is what its arrays are on: `cpu` or `cuda`; `numbers` are
    what it can compute with, of those that `grugen.bench.suites` has.
    """

    name: str
    build: str
    needs: tuple[str, ...] = ()
    training: bool = True
    affinity: bool = False
    peer: bool = True
    ragged: bool = False
    device: str = "cpu"
    numbers: tuple[str, ...] = (FLOAT32,)

    def missing(self) -> str:
        """Why it cannot be started here; empty if it can."""
        lacking = [name for name in self.needs if find_spec(name) is None]
        return f"{' and '.join(lacking)} not installed" if lacking else ""


ENTRIES = (
    Entry("sequential", "own:sequential", peer=False, ragged=True),
    Entry("openmp", "own:openmp", peer=False, ragged=True),
    Entry("torch", "pytorch:eager", ("torch",)),
    Entry("torch.compile step", "pytorch:compile_step", ("torch",)),
    Entry("torch.compile", "pytorch:compile_loop", ("torch",)),
    Entry("torchscript", "pytorch:script", ("torch",)),
    Entry("onnxruntime", "onnx_runtime:session", ("onnx", "onnxruntime"), training=False),
    Entry("openvino", "open_vino:compiled", ("onnx", "openvino"), training=False),
    Entry("jax", "jax_scan:scan", ("jax",), affinity=True),
)

_TORCH = ("torch",)
DEVICE_ENTRIES = (
    Entry(
        "cuda", "own_cuda:public", _TORCH, peer=False, ragged=True, device="cuda", numbers=NUMBERS
    ),
    Entry("cuda graph", "own_cuda:graph", _TORCH, peer=False, device="cuda", numbers=NUMBERS),
    Entry("cudnn", "torch_cuda:layer", _TORCH, device="cuda", numbers=NUMBERS),
    Entry("cudnn graph", "torch_cuda:layer_graph", _TORCH, device="cuda", numbers=NUMBERS),
    Entry("packed", "torch_cuda:packed", _TORCH, ragged=True, device="cuda"),
    Entry("packed before", "torch_cuda:packed_before", _TORCH, ragged=True, device="cuda"),
    Entry("eager", "torch_cuda:loop", _TORCH, device="cuda"),
    Entry("eager graph", "torch_cuda:loop_graph", _TORCH, device="cuda"),
    Entry("compiled step", "torch_cuda:compiled_step", _TORCH, device="cuda"),
    Entry("compiled step graph", "torch_cuda:compiled_step_graph", _TORCH, device="cuda"),
    Entry("compiled loop", "torch_cuda:compiled_loop", _TORCH, device="cuda"),
)
"""What runs on a GPU; `grugen.bench.engines.torch_cuda` says what they are."""
REFERENCE = Entry("float64", "torch_cuda:layer_float64", _TORCH, device="cuda", numbers=NUMBERS)
"""What is right where the interpreter takes too long."""
ALL = (*ENTRIES, *DEVICE_ENTRIES)

PACKAGES = ("numpy", "torch", "onnx", "onnxruntime", "openvino", "jax", "jaxlib", "matplotlib")


def engine_names(device: str = "cpu") -> tuple[str, ...]:
    """All names of what runs on a device, in their order."""
    return tuple(entry.name for entry in ALL if entry.device == device)


def entries_of(names: Sequence[str]) -> tuple[Entry, ...]:
    """The engines of these names. Raises UsageError for one that is not there."""
    known = {entry.name: entry for entry in ALL}
    for name in names:
        if name not in known:
            advice = did_you_mean(name, known) or f"the engines are {listed(tuple(known))}"
            raise UsageError(f"there is no engine '{name}'\nhelp: {advice}")
    return tuple(known[name] for name in dict.fromkeys(names))


def versions() -> dict[str, str]:
    """The versions of what is installed."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
