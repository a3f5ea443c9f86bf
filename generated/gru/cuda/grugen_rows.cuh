// Rows: one step of one sequence is a row of every per-step array. Which rows there are in a call,
// in a sequence's step, and where each lies.
#pragma once

#include <stdint.h>

// A row: its place `row` = t * B + b in per-step arrays, its sequence `b`, the `slot` of the
// sequence in its block's memory. A row that is not `alive` does not exist: past its sequence's
// end, or past the last sequence. Rows are counted in 32 bits, elements of arrays in 64.
struct grugen_here {
    int row;
    int b;
    int slot;
    bool alive;
};

// The number of a row, which times the elements of one has 64 bits. Of 64 bits from the beginning a
// compiler that has taken the conversion of one factor out of a loop multiplies all.
struct grugen_row_number {
    int number;

    __device__ grugen_row_number(int row) : number(row) {}
    __device__ operator int64_t() const { return number; }
};

__device__ __forceinline__ int64_t operator*(grugen_row_number row, int elements)
{
#ifdef GRUGEN_EMULATOR
    return (int64_t)row.number * elements;
#else
    int64_t product;
    asm("mul.wide.s32 %0, %1, %2;" : "=l"(product) : "r"(row.number), "r"(elements));
    return product;
#endif
}

__host__ __device__ inline int64_t grugen_length(const int64_t *lengths, int64_t T, int64_t b)
{
    return lengths == nullptr ? T : lengths[b];
}

// All rows of a call.
struct grugen_call_rows {
    static constexpr bool are_whole = false;
    static constexpr bool is_single = false;
    using number = int64_t;

    int T, B;
    const int64_t *lengths;

    __device__ int count() const { return T * B; }

    __device__ grugen_here locate(int item) const
    {
        if (item >= T * B) { return {0, 0, 0, false}; }
        const int t = (int)((unsigned)item / (unsigned)B);
        const int b = item - t * B;
        // who has no lengths and does not ask for the sequence need not divide
        return {item, b, 0, lengths == nullptr || t < grugen_length(lengths, T, b)};
    }
};

// One row for each sequence: what is the same for all its steps.
struct grugen_sequence_rows {
    static constexpr bool are_whole = false;
    static constexpr bool is_single = false;
    using number = int64_t;

    int B;

    __device__ int count() const { return B; }
    __device__ grugen_here locate(int item) const { return {0, item, 0, item < B}; }
};

// A single row: what is the same for the whole call.
struct grugen_single_row {
    static constexpr bool are_whole = false;
    static constexpr bool is_single = false;
    using number = int64_t;

    __device__ int count() const { return 1; }
    __device__ grugen_here locate(int item) const { return {0, 0, 0, item < 1}; }
};

// Step `s` of a single sequence, which is alive as long as its block has steps to do. Its `row` is
// `apart` from that of the next step.
struct grugen_one_sequence {
    static constexpr bool are_whole = false;
    static constexpr bool is_single = true;
    using number = grugen_row_number;

    int T, B;
    int first, size;
    int s;
    bool reverse;
    int length;
    int row, apart;

    __device__ int count() const { return 1; }

    // nobody asks for another one
    __device__ grugen_here locate(int) const { return {row, first, 0, true}; }

    // The same row some steps later.
    __device__ grugen_here ahead(int, int steps) const
    {
        return {row + steps * apart, first, 0, s + steps < length};
    }

    // The row of the next step, or of this one if it is the last.
    __device__ grugen_here following() const
    {
        return {s + 1 < length ? row + apart : row, first, 0, true};
    }

    __device__ void next()
    {
        ++s;
        row += apart;
    }

    // Whether some of a block's rows may end before others.
    __device__ static bool have_lengths() { return false; }
    // A row of the block in the place of one that there may not be.
    __device__ static int some(int) { return 0; }

    __device__ bool ended(int) const { return true; }
};

// Step `s` of the sequences first..first + size: in reverse each runs backwards from its own end.
struct grugen_step_rows {
    static constexpr bool are_whole = false;
    static constexpr bool is_single = false;
    using number = int64_t;

    int T, B;
    const int64_t *lengths;
    int first, size;
    int s;
    bool reverse;

    __device__ int count() const { return size; }

    __device__ grugen_here locate(int item) const
    {
        if (item >= size) { return {0, 0, 0, false}; }
        const int b = first + item;
        const int length = (int)grugen_length(lengths, T, b);
        const int t = reverse ? length - 1 - s : s;
        return {t * B + b, b, item, s < length};
    }

    __device__ void next() { ++s; }

    // The same row some steps later.
    __device__ grugen_here ahead(int item, int steps) const
    {
        grugen_step_rows later = *this;
        later.s += steps;
        return later.locate(item);
    }

    __device__ bool have_lengths() const { return lengths != nullptr; }
    __device__ int some(int item) const { return item < size ? item : size - 1; }

    // The sequences that ended with the step before this one; at step 0 those without any.
    __device__ bool ended(int item) const
    {
        return grugen_length(lengths, T, first + item) == s;
    }
};

// The same where all of them exist and have all steps, and vectors end with four elements: nobody
// needs to ask.
struct grugen_whole_rows {
    static constexpr bool are_whole = true;
    static constexpr bool is_single = false;
    using number = int64_t;

    int T, B;
    int first, size;
    int s;
    bool reverse;

    __device__ int count() const { return size; }

    __device__ grugen_here locate(int item) const
    {
        const int t = reverse ? T - 1 - s : s;
        return {t * B + first + item, first + item, item, true};
    }

    __device__ void next() { ++s; }

    // The same row some steps later.
    __device__ grugen_here ahead(int item, int steps) const
    {
        grugen_whole_rows later = *this;
        later.s += steps;
        grugen_here here = later.locate(item);
        here.alive = later.s < T;
        return here;
    }

    __device__ static bool have_lengths() { return false; }
    __device__ static int some(int item) { return item; }
    __device__ bool ended(int) const { return s == T; }
};
