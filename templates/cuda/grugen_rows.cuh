// Rows: one step of one sequence is a row of every per-step array. Which rows there are in a call,
// in a sequence's step, and where each lies.
#pragma once

#include <stdint.h>

// A row: its place `row` = t * B + b in per-step arrays, its sequence `b`, the `slot` of the
// sequence in its block's memory. A row that is not `alive` does not exist: past its sequence's
// end, or past the last sequence.
struct grugen_here {
    int64_t row;
    int64_t b;
    int64_t slot;
    bool alive;
};

__host__ __device__ inline int64_t grugen_length(const int64_t *lengths, int64_t T, int64_t b)
{
    return lengths == nullptr ? T : lengths[b];
}

// All rows of a call.
struct grugen_call_rows {
    int64_t T, B;
    const int64_t *lengths;

    __device__ int64_t count() const { return T * B; }

    __device__ grugen_here locate(int64_t item) const
    {
        if (item >= T * B) { return {0, 0, 0, false}; }
        // dividing 64 bits takes five times as long
        const bool is_short = T * B <= INT32_MAX;
        const int64_t t = is_short ? (int64_t)((uint32_t)item / (uint32_t)B) : item / B;
        const int64_t b = item - t * B;
        return {item, b, 0, t < grugen_length(lengths, T, b)};
    }
};

// One row for each sequence: what is the same for all its steps.
struct grugen_sequence_rows {
    int64_t B;

    __device__ int64_t count() const { return B; }
    __device__ grugen_here locate(int64_t item) const { return {0, item, 0, item < B}; }
};

// A single row: what is the same for the whole call.
struct grugen_single_row {
    __device__ int64_t count() const { return 1; }
    __device__ grugen_here locate(int64_t item) const { return {0, 0, 0, item < 1}; }
};

// Step `s` of the sequences first..first + size: in reverse each runs backwards from its own end.
struct grugen_step_rows {
    int64_t T, B;
    const int64_t *lengths;
    int64_t first, size;
    int64_t s;
    bool reverse;

    __device__ int64_t count() const { return size; }

    __device__ grugen_here locate(int64_t item) const
    {
        if (item >= size) { return {0, 0, 0, false}; }
        const int64_t b = first + item;
        const int64_t length = grugen_length(lengths, T, b);
        const int64_t t = reverse ? length - 1 - s : s;
        return {t * B + b, b, item, s < length};
    }

    // The sequences that ended with the step before this one; at step 0 those without any.
    __device__ bool ended(int64_t item) const
    {
        return grugen_length(lengths, T, first + item) == s;
    }
};
