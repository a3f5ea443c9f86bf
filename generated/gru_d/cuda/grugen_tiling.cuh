// How a loop over steps is cut into blocks of threads: a model of what a step costs, with the
// device's own numbers in it. Results depend on the cut only by rounding.
#pragma once

#include <stdint.h>

#include "grugen_cluster.cuh"
#include "grugen_memory.cuh"
#include "grugen_panel.cuh"
#include "grugen_product.cuh"
#include "grugen_rows.cuh"
#include "grugen_stored.cuh"
#include "grugen_team.cuh"

// The ways to run a loop, as callers ask for them; 0 leaves it to the model.
enum grugen_regime {
    GRUGEN_MODEL = 0,
    GRUGEN_BLOCK = 1, // a block has its sequences to itself and waits for no other
    GRUGEN_GRID = 2, // blocks share the units of their sequences, and post them or meet
    GRUGEN_STEPS = 3, // a launch for each nest of each step
    GRUGEN_CLUSTER = 4, // as a grid, but blocks that share units write to each other's shared memory
};

// Cycles of a launch among others, 2.2 us at 1.8 GHz: one by one they take the host about as long.
// In a graph 1.3 to 2 us are expected on an H200, which nobody has measured with these kernels.
constexpr double GRUGEN_LAUNCH_CYCLES = 4000.0;

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
    bool posts; // blocks of a grid post what others read, and meet no more
    bool whole; // all rows that threads may ask for exist
    double cycles; // of a step, by the model
};

// What the model knows of a loop: packed elements that a step multiplies, units that blocks can
// share, elements of the vectors that it multiplies, how often all blocks meet in it, nests; whether
// what blocks read of others is in memory that a cluster can share, whether they can post it, whether
// those that do multiply it on tensor cores, and whether all vectors end with four elements.
struct grugen_loop {
    int64_t weights, units, awaited, meetings, nests;
    bool can_cluster, can_post, on_tensor_cores, ends_with_four;
};

struct grugen_device {
    int processors;
    int64_t shared; // bytes that a block may have
    int clusters[GRUGEN_CLUSTER_SIZES]; // how many of 1, 2, 4, 8 and 16 blocks run at the same time
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
    // counting clusters takes longer than a short call: each thread does it once
    static thread_local int known = -1;
    static thread_local grugen_device last = {};
    if (known != number || last.processors != device->processors) {
        last = *device;
        GRUGEN_TRY(grugen_count_clusters(number, GRUGEN_THREADS, shared, last.clusters));
        known = number;
    }
    *device = last;
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

// Whether each block has the vectors of its sequences in its own shared memory. A block whose
// matrices do not stay with it has no memory for vectors either.
static inline bool grugen_has_vectors(const grugen_tiling &tiling)
{
    return tiling.regime == GRUGEN_CLUSTER || (tiling.parts == 1 && tiling.keeps);
}

// Cycles that lanes wait for vectors which nobody brings to shared memory: measured, about as long
// for each four that a lane multiplies.
static inline double grugen_far_cycles(const grugen_loop &loop, const grugen_tiling &tiling)
{
    const int warps = GRUGEN_THREADS / GRUGEN_WARP;
    const int units = grugen_most_units(loop.units, tiling.parts);
    const int row_tiles = (int)grugen_tiles(tiling.sequences, GRUGEN_TILE_ROWS);
    const int split = grugen_split(units, row_tiles, warps, (int)loop.awaited, 0);
    const int turns = (grugen_groups(units, split) * row_tiles + warps - 1) / warps;
    return 300.0 * turns * (double)loop.awaited / (4.0 * split);
}

// Cycles of a step, roughly: reading the matrices or multiplying them, whichever takes longer, and
// what threads wait for between products.
static inline double grugen_step_cycles(
    const grugen_device &device, const grugen_loop &loop, const grugen_tiling &tiling)
{
    const double weights = (double)loop.weights / (double)tiling.parts;
    // bytes a cycle from shared memory, and from the L2 cache when all processors ask for them
    const double bandwidth = tiling.keeps ? 128.0 : 24.0;
    const double tiles = (double)grugen_tiles(tiling.sequences, GRUGEN_TILE_ROWS);
    const double bytes = tiles * weights * (double)sizeof(GRUGEN_STORED);
    // operands are read between them
    const double reading = tiling.held > 0 ? 0.0 : 2.0 * bytes / bandwidth;
    // stored elements are converted once for each tile of rows that they are multiplied with
    const double converting = GRUGEN_CONVERTS && tiling.held == 0 ? tiles : 0.0;
    double multiplying = weights * ((double)tiling.sequences + converting) / 128.0;
    const bool on_tensor_cores = tiling.posts && loop.on_tensor_cores;
    if (on_tensor_cores) {
        // a warp multiplies 16 units of a matrix with eight sequences, a 128th of the depth at a time
        const double products = (double)loop.weights / (128.0 * (double)loop.units);
        multiplying = (double)grugen_tiles(tiling.sequences, 8) * (32.0 * products + 700.0);
    }
    // measured: blocks of a cluster meet sooner than those of a grid, and do more to send
    double waiting = 0.0;
    // what each block has of others
    const double vectors = (double)(tiling.sequences * loop.awaited);
    const double blocks = (double)(tiling.groups * tiling.parts);
    if (tiling.regime == GRUGEN_CLUSTER) {
        waiting = 2000.0 + 3400.0 * (double)loop.meetings;
    } else if (on_tensor_cores) {
        // half as many bytes, which all blocks ask the L2 cache for, of eight rows at a time; and
        // kernels that have to ask which rows exist are slower
        const double rows = 8.0 * (double)grugen_tiles(tiling.sequences, 8);
        const double asked = rows * (double)loop.awaited * blocks / (double)device.processors;
        waiting = 1500.0 * (double)loop.meetings + 0.25 * asked;
        if (tiling.sequences % 8 != 0) { waiting += 100.0; }
    } else if (tiling.posts) {
        waiting = 1500.0 * (double)loop.meetings + 0.5 * vectors;
    } else if (tiling.parts > 1) {
        waiting = 4800.0 * (double)loop.meetings + 0.5 * vectors;
    }
    const int64_t bytes_of_vectors =
        tiling.sequences * loop.awaited * (int64_t)sizeof(GRUGEN_REAL);
    const bool is_near = tiling.posts || grugen_has_vectors(tiling) ||
        tiling.shared + bytes_of_vectors <= device.shared;
    if (!is_near) { waiting += grugen_far_cycles(loop, tiling); }
    return (reading > multiplying ? reading : multiplying) + waiting + 400.0 * (double)loop.nests;
}

// A cut into blocks as far as sequences and parts make it. A lane can hold `held` fours of each
// matrix, and `shared_bytes(tiling)` is what a block takes.
template <class SharedBytes>
static inline grugen_tiling grugen_tiling_of(
    const grugen_device &device,
    int64_t B,
    grugen_regime regime,
    int64_t parts,
    int64_t sequences,
    int held,
    bool posts,
    const SharedBytes &shared_bytes)
{
    grugen_tiling tiling = {};
    tiling.regime = regime;
    tiling.posts = posts;
    tiling.parts = parts;
    tiling.sequences = sequences;
    tiling.groups = (B + sequences - 1) / sequences;
    tiling.held = held;
    tiling.keeps = true;
    tiling.keeps = shared_bytes(tiling) <= device.shared;
    // a block alone that cannot keep its vectors is like one of many, which hold otherwise
    if (!tiling.keeps && parts == 1) { tiling.held = 0; }
    tiling.shared = shared_bytes(tiling);
    return tiling;
}

// The cheapest cut; `held` as above for so many sequences and parts, in blocks that post or do not.
template <class Held, class SharedBytes>
static inline grugen_tiling grugen_cut(
    const grugen_device &device,
    int64_t B,
    int64_t asked,
    const grugen_loop &loop,
    const Held &held,
    const SharedBytes &shared_bytes)
{
    const int64_t processors = device.processors;
    grugen_tiling best = {GRUGEN_STEPS, B, 1, 1, false, 0, 0, 0, 0, false, false, 0.0};
    if (asked == GRUGEN_STEPS) { return best; }
    // all processors multiply
    double least = GRUGEN_LAUNCH_CYCLES * (double)(loop.nests + 1) +
        (double)loop.weights * (double)B / (32.0 * (double)processors);
    // whoever asks for a way to run gets it if it is possible at all
    bool can_be_worse = asked != GRUGEN_MODEL;
    const auto try_all = [&](grugen_regime regime, int64_t parts, int64_t most, bool posts) {
        if (most < 1 || (asked != GRUGEN_MODEL && asked != regime)) { return; }
        // blocks without units are of no use
        if (asked == GRUGEN_MODEL && 4 * parts > loop.units + 3) { return; }
        for (int64_t sequences = (B + most - 1) / most; sequences > 0; sequences /= 2) {
            // blocks that could post have no kernel that meets and holds matrices
            const bool can_hold = posts || regime != GRUGEN_GRID || !loop.can_post;
            const int fours = can_hold ? held(sequences, parts, posts) : 0;
            // tensor cores multiply what is in registers
            if (posts && loop.on_tensor_cores && fours == 0) { continue; }
            const grugen_tiling tiling = grugen_tiling_of(
                device, B, regime, parts, sequences, fours, posts, shared_bytes);
            // blocks of a grid that wait for each other must all be running
            const bool must_run = regime == GRUGEN_GRID && tiling.groups > most;
            // those that post have their matrices with them
            const bool must_keep = posts && !tiling.keeps;
            if (tiling.shared > device.shared || must_run || must_keep) { continue; }
            const double rounds = (double)((tiling.groups + most - 1) / most);
            const double cycles = rounds * grugen_step_cycles(device, loop, tiling);
            if (!can_be_worse && cycles >= least) { continue; }
            can_be_worse = false;
            least = cycles;
            best = tiling;
            best.cycles = cycles;
        }
    };
    try_all(GRUGEN_BLOCK, 1, processors, false);
    for (int size = 1; loop.can_cluster && size < GRUGEN_CLUSTER_SIZES; ++size) {
        try_all(GRUGEN_CLUSTER, (int64_t)1 << size, device.clusters[size], false);
    }
    for (int64_t parts = 2; parts <= processors; parts *= 2) {
        if (loop.can_post) { try_all(GRUGEN_GRID, parts, processors / parts, true); }
        try_all(GRUGEN_GRID, parts, processors / parts, false);
        // between this power of two and the next
        const int64_t between = parts + parts / 2;
        if (loop.can_post) { try_all(GRUGEN_GRID, between, processors / between, true); }
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

// Whether each block has all rows that its threads may ask for in every step, and vectors end with
// four elements. Where blocks post: the kernels of others are for any rows.
static inline bool grugen_is_whole(
    const grugen_tiling &tiling, int64_t B, const int64_t *lengths, const grugen_loop &loop)
{
    const int64_t warps = GRUGEN_THREADS / GRUGEN_WARP;
    const int64_t pairs = tiling.sequences > warps ? 2 * warps : warps;
    const int64_t rows = loop.on_tensor_cores ? pairs : grugen_tile_rows(tiling.sequences);
    const bool exist = B % tiling.sequences == 0 && tiling.sequences % rows == 0;
    return tiling.posts && exist && lengths == nullptr && loop.ends_with_four;
}

// The same where a block has but one.
__device__ inline grugen_one_sequence grugen_single(const grugen_step_rows &rows)
{
    const int length = (int)grugen_length(rows.lengths, rows.T, rows.first);
    const int row = (rows.reverse ? length - 1 : 0) * rows.B + rows.first;
    const int apart = rows.reverse ? -rows.B : rows.B;
    return {rows.T, rows.B, rows.first, 1, 0, rows.reverse, length, row, apart};
}

template <class Team, int ROWS, bool WHOLE>
__device__ inline auto grugen_rows_for(const grugen_step_rows &rows)
{
    // a kernel for one row a tile is started where each block has one sequence
    if constexpr (ROWS == 1 && !Team::on_tensor_cores) {
        return grugen_single(rows);
    } else if constexpr (WHOLE) {
        return grugen_whole_rows{rows.T, rows.B, rows.first, rows.size, 0, rows.reverse};
    } else {
        return rows;
    }
}

// Shared memory for the rows that a loop's blocks gather, if they have so much left.
static inline void
grugen_find_room(const grugen_device &device, int64_t bytes, grugen_tiling *tiling)
{
    if (tiling->regime == GRUGEN_STEPS || grugen_has_vectors(*tiling)) { return; }
    if (tiling->posts) { // they have it already
        tiling->gathered = bytes;
        return;
    }
    if (tiling->shared + bytes > device.shared) { return; }
    tiling->gathered = bytes;
    tiling->shared += (bytes + 127) / 128 * 128;
}

__device__ inline int grugen_longest(const grugen_one_sequence &rows) { return rows.length; }
__device__ inline int grugen_longest(const grugen_whole_rows &rows) { return rows.T; }

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
