// Errors in words.
#include <cuda_runtime_api.h>

struct Error {
    const char* name;
    const char* text;
};

static Error known(cudaError_t status) {
    switch (status) {
        case cudaSuccess: return {"cudaSuccess", "no error"};
        case cudaErrorInvalidValue: return {"cudaErrorInvalidValue", "invalid argument"};
        case cudaErrorMemoryAllocation: return {"cudaErrorMemoryAllocation", "out of memory"};
        case cudaErrorInvalidConfiguration:
            return {"cudaErrorInvalidConfiguration", "invalid configuration argument"};
        case cudaErrorInvalidDevice: return {"cudaErrorInvalidDevice", "invalid device ordinal"};
        case cudaErrorLaunchFailure:
            return {"cudaErrorLaunchFailure", "unspecified launch failure"};
        case cudaErrorCooperativeLaunchTooLarge:
            return {"cudaErrorCooperativeLaunchTooLarge", "too many blocks in cooperative launch"};
        case cudaErrorInvalidClusterSize:
            return {"cudaErrorInvalidClusterSize", "Invalid cluster size"};
        case cudaErrorStreamCaptureUnsupported:
            return {"cudaErrorStreamCaptureUnsupported",
                    "operation not permitted when stream is capturing"};
        default: return {"cudaErrorUnknown", "unknown error"};
    }
}

extern "C" {

const char* cudaGetErrorString(cudaError_t status) {
    return known(status).text;
}
const char* cudaGetErrorName(cudaError_t status) {
    return known(status).name;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}

}  // extern "C"
