// How a loop over steps is cut into blocks of threads: a model of what a step costs, with the
// device's own numbers in it. Results depend on the cut only by rounding.
#pragma once

#include <stdint.h>

#include "grugen_memory.cuh"
#include "grugen_rows.cuh"
#include "grugen_team.cuh"

// The ways to run a loop, as callers ask for them; 0 leaves it to the model.
enum grugen_regime {
    GRUGEN_MODEL = 0,
    GRUGEN_BLOCK = 1, // a block has its sequences to itself and waits for no other
    GRUGEN_GRID = 2, // blocks share the units of their sequences and meet after each product
    GRUGEN_STEPS = 3, // a launch for each nest of each step
};

enum {
    GRUGEN_THREADS = 256,
    GRUGEN_TILE_ROWS = 4, // rows whose sums a thread has in registers, at most
};

// A loop's cut: `groups` times `parts` blocks, `sequences` for each group; whether packed matrices
// stay in shared memory, and how many fours of each a lane holds in its registers instead; how much
// shared memory a block takes; bytes that the blocks of a group have in common; bytes of shared
// memory for rows that they gather.
struct grugen_tiling {
    grugen_regime regime;
    int64_t sequences, groups, parts;
    bool keeps;
    int held;
    int64_t shared;
    int64_t common;
    int64_t gathered;
};

// What the model knows of a loop: packed elements that a step multiplies, how often all blocks
// meet in it, nests.
struct grugen_loop {
    int64_t weights, meetings, nests;
};

struct grugen_device {
    int processors;
    int64_t shared; // bytes that a block may have
};

static inline cudaError_t grugen_ask_device(grugen_device *device)
{
    int number = 0, shared = 0;
    GRUGEN_TRY(cudaGetDevice(&number));
    GRUGEN_TRY(cudaDeviceGetAttribute(
        &device->processors, cudaDevAttrMultiProcessorCount, number));
    GRUGEN_TRY(cudaDeviceGetAttribute(
        &shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, number));
    device->shared = shared;
    return cudaSuccess;
}

// Rows of a tile in blocks that have so many sequences.
__host__ __device__ constexpr int grugen_tile_rows(int64_t sequences)
{
    return sequences > 2 ? GRUGEN_TILE_ROWS : (int)sequences;
}

// Tiles of so many rows that so many sequences take.
static inline int64_t grugen_tiles(int64_t sequences, int64_t rows)
{
    return (sequences + rows - 1) / rows;
}

// Cycles of a step, roughly: reading the matrices or multiplying them, whichever takes longer, and
// what threads wait for between products.
static inline double grugen_step_cycles(const grugen_loop &loop, const grugen_tiling &tiling)
{
    const double weights = (double)loop.weights / (double)tiling.parts;
    // bytes a cycle from shared memory, and from the L2 cache when all processors ask for them
    const double bandwidth = tiling.keeps ? 128.0 : 24.0;
    const double tiles = (double)grugen_tiles(tiling.sequences, GRUGEN_TILE_ROWS);
    const double reading =
        tiling.held > 0 ? 0.0 : tiles * weights * (double)sizeof(GRUGEN_REAL) / bandwidth;
    const double multiplying = weights * (double)tiling.sequences / 128.0;
    const double waiting = tiling.parts > 1 ? 5000.0 * (double)loop.meetings : 0.0;
    return (reading > multiplying ? reading : multiplying) + waiting + 400.0 * (double)loop.nests;
}

// The cheapest cut. A lane can hold `held(sequences, parts)` fours of each matrix, and
// `shared_bytes(tiling)` is what a block takes.
template <class Held, class SharedBytes>
static inline grugen_tiling grugen_cut(
    const grugen_device &device,
    int64_t B,
    int64_t regime,
    const grugen_loop &loop,
    const Held &held,
    const SharedBytes &shared_bytes)
{
    const int64_t processors = device.processors;
    grugen_tiling best = {GRUGEN_STEPS, B, 1, 1, false, 0, 0, 0, 0};
    if (regime == GRUGEN_STEPS) { return best; }
    // a launch takes about as long as 4000 cycles; all processors multiply
    double least = 4000.0 * (double)(loop.nests + 1) +
        (double)loop.weights * (double)B / (64.0 * (double)processors);
    const bool must_fit = regime == GRUGEN_MODEL;
    bool found = false;
    for (int64_t parts = 1; parts <= processors; parts *= 2) {
        if ((parts == 1 && regime == GRUGEN_GRID) || (parts > 1 && regime == GRUGEN_BLOCK)) {
            continue;
        }
        const int64_t most = processors / parts;
        int64_t sequences = (B + most - 1) / most;
        for (; sequences > 0; sequences /= 2) {
            grugen_tiling tiling = {};
            tiling.regime = parts > 1 ? GRUGEN_GRID : GRUGEN_BLOCK;
            tiling.parts = parts;
            tiling.sequences = sequences;
            tiling.groups = (B + sequences - 1) / sequences;
            tiling.held = held(sequences, parts);
            tiling.keeps = true;
            tiling.keeps = shared_bytes(tiling) <= device.shared;
            // what a block has for its sequences must fit where matrices are held, too
            if (!tiling.keeps) { tiling.held = parts > 1 ? tiling.held : 0; }
            tiling.shared = shared_bytes(tiling);
            // blocks that wait for each other must all be running
            if (tiling.shared > device.shared || (parts > 1 && tiling.groups > most)) { continue; }
            const double rounds = (double)((tiling.groups * parts + processors - 1) / processors);
            const double cycles = rounds * grugen_step_cycles(loop, tiling);
            if ((found || must_fit) && cycles >= least) { continue; }
            least = cycles;
            best = tiling;
            found = true;
        }
    }
    return best;
}

// This block's place in the cut.
__device__ inline void
grugen_join(const grugen_tiling &tiling, grugen_meeting *meetings, grugen_team *team)
{
    const int64_t group = blockIdx.x / tiling.parts;
    team->rank = (int)threadIdx.x;
    team->size = (int)blockDim.x;
    team->part = (int)(blockIdx.x - group * tiling.parts);
    team->parts = (int)tiling.parts;
    team->meeting = meetings + group;
    team->met = 0;
}

// The sequences of this block, before their first step.
__device__ inline grugen_step_rows grugen_rows_of_block(
    const grugen_tiling &tiling, int64_t T, int64_t B, const int64_t *lengths, bool reverse)
{
    const int64_t first = blockIdx.x / tiling.parts * tiling.sequences;
    const int64_t size = B - first < tiling.sequences ? B - first : tiling.sequences;
    return {(int)T, (int)B, lengths, (int)first, (int)size, 0, reverse};
}

// What this block has in common with those that have the same sequences.
__device__ inline grugen_arena grugen_common(char *memory, const grugen_tiling &tiling)
{
    return {memory + blockIdx.x / tiling.parts * tiling.common, 0};
}

// The same where a block has but one.
__device__ inline grugen_one_sequence grugen_single(const grugen_step_rows &rows)
{
    const int length = (int)grugen_length(rows.lengths, rows.T, rows.first);
    return {rows.T, rows.B, rows.first, 1, 0, rows.reverse, length};
}

template <int ROWS>
__device__ inline auto grugen_rows_for(const grugen_step_rows &rows)
{
    // a kernel for one row a tile is started where each block has one sequence
    if constexpr (ROWS == 1) {
        return grugen_single(rows);
    } else {
        return rows;
    }
}

// Shared memory for the rows that a loop's blocks gather, if they have so much left.
static inline void
grugen_find_room(const grugen_device &device, int64_t bytes, grugen_tiling *tiling)
{
    if (tiling->regime == GRUGEN_STEPS || (tiling->parts == 1 && tiling->keeps)) { return; }
    if (tiling->shared + bytes > device.shared) { return; }
    tiling->gathered = bytes;
    tiling->shared += (bytes + 127) / 128 * 128;
}

__device__ inline int grugen_longest(const grugen_one_sequence &rows) { return rows.length; }

// The longest of these sequences.
__device__ inline int grugen_longest(const grugen_step_rows &rows)
{
    if (rows.lengths == nullptr) { return rows.T; }
    int longest = 0;
    for (int item = 0; item < rows.size; ++item) {
        const int length = (int)rows.lengths[rows.first + item];
        longest = length > longest ? length : longest;
    }
    return longest;
}

// Rows of a tile, when more would need too many registers.
__host__ __device__ constexpr int grugen_fewer(int a, int b) { return a < b ? a : b; }

// Blocks that fill a device when `items` threads' worth of work is spread over them.
static inline dim3 grugen_blocks_for(const grugen_device &device, int64_t items)
{
    const int64_t wanted = (items + GRUGEN_THREADS - 1) / GRUGEN_THREADS;
    const int64_t most = 8 * (int64_t)device.processors;
    return dim3((unsigned)(wanted < 1 ? 1 : wanted > most ? most : wanted));
}
