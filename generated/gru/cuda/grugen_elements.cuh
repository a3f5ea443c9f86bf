// Elements that no kernel of a cell computes: fillings, masks, states that start as an input does.
#pragma once

#include <stdint.h>

#include "grugen_host.cuh"
#include "grugen_memory.cuh"
#include "grugen_stored.cuh"

constexpr int GRUGEN_ELEMENT_THREADS = 256;
constexpr int64_t GRUGEN_ELEMENT_BLOCKS = 1024;

static __device__ inline int64_t grugen_first_element()
{
    return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

static __device__ inline int64_t grugen_element_stride() { return (int64_t)gridDim.x * blockDim.x; }

template <class Element>
static __global__ void grugen_fill_kernel(Element *to, int64_t elements, Element value)
{
    for (int64_t i = grugen_first_element(); i < elements; i += grugen_element_stride()) {
        to[i] = value;
    }
}

// Numbers that a kernel is started with: the host may forget them, and a graph has them too.
struct grugen_numbers {
    int64_t of[480];
};

static __global__ void
grugen_put_kernel(int64_t *to, int64_t count, const __grid_constant__ grugen_numbers numbers)
{
    for (int64_t i = grugen_first_element(); i < count; i += grugen_element_stride()) {
        to[i] = numbers.of[i];
    }
}

static __global__ void
grugen_from_bytes_kernel(GRUGEN_STORED *to, const uint8_t *bytes, int64_t elements)
{
    for (int64_t i = grugen_first_element(); i < elements; i += grugen_element_stride()) {
        to[i] = grugen_stored_of((GRUGEN_REAL)bytes[i]);
    }
}

// The step that a sequence starts with; -1: it has none.
static __device__ inline int64_t
grugen_first_step(const GRUGEN_HOST(first_call) & call, int64_t sequence)
{
    const int64_t length = call.lengths == nullptr ? call.T : call.lengths[sequence];
    return call.reverse ? length - 1 : length > 0 ? 0 : -1;
}

static __global__ void grugen_first_states_kernel(const GRUGEN_HOST(first_call) call)
{
    const GRUGEN_STORED *const inputs = static_cast<const GRUGEN_STORED *>(call.inputs);
    GRUGEN_REAL *const states = static_cast<GRUGEN_REAL *>(call.states);
    const int64_t given = call.width / call.copies;
    for (int64_t i = grugen_first_element(); i < call.B * call.width;
         i += grugen_element_stride()) {
        const int64_t sequence = i / call.width;
        const int64_t step = grugen_first_step(call, sequence);
        const int64_t unit = i % call.width / call.copies;
        states[i] =
            step < 0 ? 0 : grugen_real_of(inputs[(step * call.B + sequence) * given + unit]);
    }
}

static __global__ void grugen_add_first_states_kernel(const GRUGEN_HOST(first_call) call)
{
    GRUGEN_STORED *const inputs = static_cast<GRUGEN_STORED *>(call.inputs);
    const GRUGEN_REAL *const states = static_cast<const GRUGEN_REAL *>(call.states);
    const int64_t given = call.width / call.copies;
    for (int64_t i = grugen_first_element(); i < call.B * given; i += grugen_element_stride()) {
        const int64_t sequence = i / given;
        const int64_t step = grugen_first_step(call, sequence);
        if (step < 0) { continue; }
        GRUGEN_REAL sum = 0;
        for (int64_t copy = 0; copy < call.copies; ++copy) { sum += states[i * call.copies + copy]; }
        GRUGEN_STORED *const input = inputs + (step * call.B + sequence) * given + i % given;
        *input = grugen_stored_of(grugen_real_of(*input) + sum);
    }
}

static inline grugen_launch grugen_element_launch(int64_t elements, void *stream)
{
    const int64_t blocks = (elements + GRUGEN_ELEMENT_THREADS - 1) / GRUGEN_ELEMENT_THREADS;
    const int64_t most = blocks < GRUGEN_ELEMENT_BLOCKS ? blocks : GRUGEN_ELEMENT_BLOCKS;
    return {dim3((unsigned)most), GRUGEN_ELEMENT_THREADS, 0, false, grugen_stream(stream)};
}

extern "C" int32_t
GRUGEN_HOST(put)(int64_t *to, const int64_t *numbers, int64_t count, void *stream)
{
    grugen_numbers some = {};
    const int64_t most = (int64_t)(sizeof some.of / sizeof some.of[0]);
    for (int64_t first = 0; first < count; first += most) {
        const int64_t left = count - first < most ? count - first : most;
        for (int64_t i = 0; i < left; ++i) { some.of[i] = numbers[first + i]; }
        const cudaError_t error = grugen_start(
            grugen_put_kernel, grugen_element_launch(left, stream), to + first, left, some);
        if (error != cudaSuccess) { return grugen_told(error); }
    }
    return 0;
}

template <class Element>
static inline int32_t grugen_fill(Element *to, int64_t elements, Element value, void *stream)
{
    if (elements == 0) { return 0; }
    return grugen_told(grugen_start(
        grugen_fill_kernel<Element>,
        grugen_element_launch(elements, stream),
        to,
        elements,
        value));
}

extern "C" int32_t GRUGEN_HOST(fill)(void *to, int64_t elements, double value, void *stream)
{
    const GRUGEN_STORED element = grugen_stored_of((GRUGEN_REAL)value);
    return grugen_fill(static_cast<GRUGEN_STORED *>(to), elements, element, stream);
}

extern "C" int32_t
GRUGEN_HOST(fill_states)(void *to, int64_t elements, double value, void *stream)
{
    return grugen_fill(static_cast<GRUGEN_REAL *>(to), elements, (GRUGEN_REAL)value, stream);
}

extern "C" int32_t
GRUGEN_HOST(from_bytes)(void *to, const void *bytes, int64_t elements, void *stream)
{
    if (elements == 0) { return 0; }
    return grugen_told(grugen_start(
        grugen_from_bytes_kernel,
        grugen_element_launch(elements, stream),
        static_cast<GRUGEN_STORED *>(to),
        static_cast<const uint8_t *>(bytes),
        elements));
}

extern "C" int32_t GRUGEN_HOST(first_states)(const GRUGEN_HOST(first_call) * call)
{
    if (call->B * call->width == 0) { return 0; }
    const grugen_launch launch = grugen_element_launch(call->B * call->width, call->stream);
    return grugen_told(grugen_start(grugen_first_states_kernel, launch, *call));
}

extern "C" int32_t GRUGEN_HOST(add_first_states)(const GRUGEN_HOST(first_call) * call)
{
    if (call->B * call->width == 0) { return 0; }
    const grugen_launch launch = grugen_element_launch(call->B * call->width, call->stream);
    return grugen_told(grugen_start(grugen_add_first_states_kernel, launch, *call));
}
