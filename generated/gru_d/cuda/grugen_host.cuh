// What a host needs of devices: see the header. The library's functions get its name in front.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include <cstdio>

#define GRUGEN_JOINED(stem, name) stem##_##name
#define GRUGEN_NAMED(stem, name) GRUGEN_JOINED(stem, name)
#define GRUGEN_HOST(name) GRUGEN_NAMED(GRUGEN_STEM, name)

// An error is told once, by the call that had it.
static inline int32_t grugen_told(cudaError_t error)
{
    if (error != cudaSuccess) { (void)cudaGetLastError(); }
    return (int32_t)error;
}

static inline cudaStream_t grugen_stream(void *stream) { return static_cast<cudaStream_t>(stream); }

static inline cudaEvent_t grugen_event(void *event) { return static_cast<cudaEvent_t>(event); }

// ---- devices ----

extern "C" int32_t GRUGEN_HOST(device_count)(int32_t *count)
{
    int found = 0;
    const cudaError_t error = cudaGetDeviceCount(&found);
    *count = found;
    return grugen_told(error);
}

extern "C" int32_t GRUGEN_HOST(use_device)(int32_t device)
{
    return grugen_told(cudaSetDevice(device));
}

extern "C" int32_t GRUGEN_HOST(current_device)(int32_t *device)
{
    int found = 0;
    const cudaError_t error = cudaGetDevice(&found);
    *device = found;
    return grugen_told(error);
}

extern "C" int32_t GRUGEN_HOST(device_name)(int32_t device, char *name, int64_t size)
{
    cudaDeviceProp properties;
    const cudaError_t error = cudaGetDeviceProperties(&properties, device);
    if (error == cudaSuccess) { snprintf(name, (size_t)size, "%s", properties.name); }
    return grugen_told(error);
}

extern "C" int32_t GRUGEN_HOST(ask_device)(int32_t device, GRUGEN_HOST(device_facts) * facts)
{
    const cudaDeviceAttr asked[] = {
        cudaDevAttrComputeCapabilityMajor,          cudaDevAttrComputeCapabilityMinor,
        cudaDevAttrMultiProcessorCount,             cudaDevAttrMaxThreadsPerMultiProcessor,
        cudaDevAttrMaxSharedMemoryPerMultiprocessor, cudaDevAttrMaxSharedMemoryPerBlockOptin,
        cudaDevAttrL2CacheSize,
    };
    int found[sizeof asked / sizeof asked[0]];
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; ++i) {
        const cudaError_t error = cudaDeviceGetAttribute(&found[i], asked[i], device);
        if (error != cudaSuccess) { return grugen_told(error); }
    }
    facts->major_capability = found[0];
    facts->minor_capability = found[1];
    facts->processors = found[2];
    facts->threads_per_processor = found[3];
    facts->shared_per_processor = found[4];
    facts->shared_per_block = found[5];
    facts->second_level_cache = found[6];
    size_t unused = 0;
    size_t all = 0;
    int before = 0;
    cudaError_t error = cudaGetDevice(&before);
    if (error == cudaSuccess) { error = cudaSetDevice(device); }
    if (error == cudaSuccess) { error = cudaMemGetInfo(&unused, &all); }
    (void)cudaSetDevice(before);
    facts->memory = (int64_t)all;
    facts->free_memory = (int64_t)unused;
    return grugen_told(error);
}

extern "C" int32_t GRUGEN_HOST(versions)(int32_t *driver, int32_t *runtime)
{
    int of_driver = 0;
    int of_runtime = 0;
    cudaError_t error = cudaDriverGetVersion(&of_driver);
    if (error == cudaSuccess) { error = cudaRuntimeGetVersion(&of_runtime); }
    *driver = of_driver;
    *runtime = of_runtime;
    return grugen_told(error);
}

// ---- memory ----

extern "C" int32_t GRUGEN_HOST(allocate)(void **memory, int64_t bytes)
{
    return grugen_told(cudaMalloc(memory, (size_t)bytes));
}

extern "C" int32_t GRUGEN_HOST(release)(void *memory) { return grugen_told(cudaFree(memory)); }

extern "C" int32_t GRUGEN_HOST(device_of)(const void *memory, int32_t *device)
{
    cudaPointerAttributes found;
    const cudaError_t error = cudaPointerGetAttributes(&found, memory);
    const bool is_there = error == cudaSuccess && (found.type == cudaMemoryTypeDevice ||
                                                   found.type == cudaMemoryTypeManaged);
    *device = is_there ? found.device : -1;
    return grugen_told(error);
}

extern "C" int32_t GRUGEN_HOST(copy)(void *to, const void *from, int64_t bytes, void *stream)
{
    return grugen_told(
        cudaMemcpyAsync(to, from, (size_t)bytes, cudaMemcpyDefault, grugen_stream(stream)));
}

extern "C" int32_t GRUGEN_HOST(fill_zero)(void *to, int64_t bytes, void *stream)
{
    return grugen_told(cudaMemsetAsync(to, 0, (size_t)bytes, grugen_stream(stream)));
}

// ---- order ----

extern "C" int32_t GRUGEN_HOST(create_stream)(void **stream)
{
    cudaStream_t made = nullptr;
    const cudaError_t error = cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking);
    *stream = made;
    return grugen_told(error);
}

extern "C" int32_t GRUGEN_HOST(destroy_stream)(void *stream)
{
    return grugen_told(cudaStreamDestroy(grugen_stream(stream)));
}

extern "C" int32_t GRUGEN_HOST(synchronize)(void *stream)
{
    return grugen_told(cudaStreamSynchronize(grugen_stream(stream)));
}

extern "C" int32_t GRUGEN_HOST(wait)(void *stream, void *other)
{
    cudaEvent_t event = nullptr;
    cudaError_t error = cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    if (error != cudaSuccess) { return grugen_told(error); }
    error = cudaEventRecord(event, grugen_stream(other));
    if (error == cudaSuccess) { error = cudaStreamWaitEvent(grugen_stream(stream), event, 0); }
    // the event lives on until it has come
    const cudaError_t destroyed = cudaEventDestroy(event);
    return grugen_told(error != cudaSuccess ? error : destroyed);
}

extern "C" int32_t GRUGEN_HOST(create_event)(void **event)
{
    cudaEvent_t made = nullptr;
    const cudaError_t error = cudaEventCreate(&made);
    *event = made;
    return grugen_told(error);
}

extern "C" int32_t GRUGEN_HOST(destroy_event)(void *event)
{
    return grugen_told(cudaEventDestroy(grugen_event(event)));
}

extern "C" int32_t GRUGEN_HOST(record)(void *event, void *stream)
{
    return grugen_told(cudaEventRecord(grugen_event(event), grugen_stream(stream)));
}

extern "C" int32_t GRUGEN_HOST(milliseconds)(float *milliseconds, void *from, void *to)
{
    cudaError_t error = cudaEventSynchronize(grugen_event(to));
    if (error == cudaSuccess) {
        error = cudaEventElapsedTime(milliseconds, grugen_event(from), grugen_event(to));
    }
    return grugen_told(error);
}

// ---- errors ----

extern "C" const char *GRUGEN_HOST(error_text)(int32_t error)
{
    return cudaGetErrorString((cudaError_t)error);
}

extern "C" const char *GRUGEN_HOST(error_name)(int32_t error)
{
    return cudaGetErrorName((cudaError_t)error);
}
