// Of CUDA's <cuda_pipeline.h> the primitives alone are emulated.
#pragma once

#include "cuda_pipeline_primitives.h"
