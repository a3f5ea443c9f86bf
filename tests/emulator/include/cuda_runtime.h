// Stands in for CUDA's <cuda_runtime.h> where g++ compiles a kernel. The types and the functions of
// the host are the real ones of <cuda_runtime_api.h>; what nvcc itself knows is defined here.
#pragma once

#include <cuda_runtime_api.h>
#include <vector_functions.h>

// the real headers have meanings of their own for these
#undef __global__
#undef __device__
#undef __host__
#undef __constant__
#undef __managed__
#undef __grid_constant__
#undef __launch_bounds__
#undef __cluster_dims__
#undef __shared__
#undef __forceinline__
#define __global__
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __grid_constant__
#define __launch_bounds__(...)
#define __cluster_dims__(...)
// a call is compiled sooner than a copy of the body; but for the race detector, which may not see
// written what a function that is called puts where it is returned to
#ifdef EMULATOR_RACE
#define __forceinline__ inline __attribute__((always_inline))
#else
#define __forceinline__ inline
#endif
// a block lives on one thread of the operating system; __constinit spares guards around the
// elements of classes such as __half
#define __shared__ __constinit thread_local

#include "emulator/arithmetic.h"
#include "emulator/atomics.h"
#include "emulator/barriers.h"
#include "emulator/interface.h"
#include "emulator/launches.h"
#include "emulator/memory.h"
#include "emulator/tensor_cores.h"
#include "emulator/warps.h"

// written by the scheduler whenever another thread goes on
extern const uint3 threadIdx;
extern const uint3 blockIdx;
extern const dim3 blockDim;
extern const dim3 gridDim;
constexpr int warpSize = 32;
