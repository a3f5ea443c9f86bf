"""What generated modules and `grugen.load` are made of, and what their users may name."""

from grugen.runtime.backward import Grads
from grugen.runtime.cell import Cell, Frozen
from grugen.runtime.cuda.engine import CudaEngine, cuda_engine
from grugen.runtime.device_array import DeviceArray
from grugen.runtime.engine import Engine, KernelCall, Plan
from grugen.runtime.forward import Run
from grugen.runtime.generated import generated_module
from grugen.runtime.interpreted import InterpretedEngine, interpreted_engine
from grugen.runtime.library import CompiledEngine, compiled_engine
from grugen.runtime.memory import release_memory
from grugen.runtime.module import CellModule
from grugen.runtime.params import Params
from grugen.runtime.stepper import Stepper
from grugen.runtime.threads import get_num_threads, set_num_threads
from grugen.spec.dims import Dim, shape
from grugen.target.abi import (
    Argument,
    ArrayInfo,
    Group,
    Interface,
    OutputInfo,
    ParamInfo,
    ParamInit,
    Signature,
    StateInfo,
    StateInit,
)

__all__ = [
    "Argument",
    "ArrayInfo",
    "Cell",
    "CellModule",
    "CompiledEngine",
    "CudaEngine",
    "DeviceArray",
    "Dim",
    "Engine",
    "Frozen",
    "Grads",
    "Group",
    "Interface",
    "InterpretedEngine",
    "KernelCall",
    "OutputInfo",
    "ParamInfo",
    "ParamInit",
    "Params",
    "Plan",
    "Run",
    "Signature",
    "StateInfo",
    "StateInit",
    "Stepper",
    "compiled_engine",
    "cuda_engine",
    "generated_module",
    "get_num_threads",
    "interpreted_engine",
    "release_memory",
    "set_num_threads",
    "shape",
]
