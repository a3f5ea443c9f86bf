"""Cells on a GPU: device memory, arrays of other libraries, the engine of a CUDA library."""
