// Threads that work together on rows and units: those of a block, of several blocks that share the
// units of the same sequences, or of a whole launch.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include "grugen_memory.cuh"

enum { GRUGEN_WARP = 32 };

// A build that looks where time goes gives these a body: what a block waits for others, and since when.
#ifndef GRUGEN_MEETING_BEGINS
#define GRUGEN_MEETING_BEGINS
#define GRUGEN_MEETING_ENDS
#endif

// Where blocks meet: how many have arrived, ever. One for each group of blocks, zero at first.
struct grugen_meeting {
    unsigned arrived;
    unsigned unused[31];
};

// Count a block as arrived; what it wrote before, those see who see it arrived.
__device__ inline void grugen_arrive(unsigned *arrived)
{
#ifdef GRUGEN_EMULATOR
    emulator::add_release(arrived, 1u);
#else
    asm volatile("red.release.gpu.global.add.u32 [%0], %1;" : : "l"(arrived), "r"(1u) : "memory");
#endif
}

// How many have arrived; what they wrote before can be read afterwards.
__device__ inline unsigned grugen_look(const unsigned *arrived)
{
#ifdef GRUGEN_EMULATOR
    return emulator::load_acquire(arrived);
#else
    unsigned count;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(count) : "l"(arrived) : "memory");
    return count;
#endif
}

// Thread `rank` of `size` in a block. The units of every vector are cut into `parts` slices, this
// block has the one called `part`; blocks with the other slices are at `meeting`.
struct grugen_team {
    int rank, size;
    int part, parts;
    grugen_meeting *meeting;
    unsigned met;

    __device__ int warp() const { return rank / GRUGEN_WARP; }
    __device__ int warps() const { return size / GRUGEN_WARP; }
    __device__ int lane() const { return rank % GRUGEN_WARP; }

    // Whether kernels for such a team are compiled.
    static constexpr bool is_there = true;
    // Whether its blocks have the vectors of their sequences in their own shared memory; whether they
    // bring them there for each product; whether others post them; whether tensor cores multiply them;
    // whether matrices that lanes do not hold are kept in shared memory for sure.
    static constexpr bool has_vectors = false;
    static constexpr bool gathers = false;
    static constexpr bool posts = false;
    static constexpr bool on_tensor_cores = false;
    static constexpr bool keeps = false;

    // What blocks with the same sequences have in common has its place.
    __device__ static void place(grugen_arena *) {}
    // A step begins.
    __device__ static void enter(int) {}

    // Write an element that other blocks read, where they have it in the same memory.
    __device__ static void share(GRUGEN_REAL *element, GRUGEN_REAL value) { *element = value; }
    // Before a block that others may still write to goes away.
    __device__ static void leave() {}

    // The first unit of this block's slice of `units`; that of the next part ends it. Slices begin
    // where four elements do.
    __device__ int first_unit(int64_t units, int of_part) const
    {
        // few units or few parts: the product fits
        const unsigned fours = (unsigned)((units + 3) / 4);
        const int first = 4 * (int)(fours * (unsigned)of_part / (unsigned)parts);
        return first < (int)units ? first : (int)units;
    }
};

// Write an element of each of three vectors that other blocks read together.
template <class Team>
__device__ __forceinline__ void grugen_share_three(
    const Team &team,
    GRUGEN_REAL *first,
    GRUGEN_REAL of_first,
    GRUGEN_REAL *second,
    GRUGEN_REAL of_second,
    GRUGEN_REAL *third,
    GRUGEN_REAL of_third)
{
    team.share(first, of_first);
    team.share(second, of_second);
    team.share(third, of_third);
}

// A block that has all units of its sequences to itself.
struct grugen_block : grugen_team {
    static constexpr bool has_vectors = true;
    static constexpr bool keeps = true;
    // Go on when all threads of the block are here; what each wrote before, all see after.
    __device__ void meet() const { __syncthreads(); }
    // The same for all blocks that share sequences: at the beginning, and within steps. Where lanes
    // hold matrices they wait for those behind it, by a barrier as well: of such no test can show it
    __device__ void meet_all() const { __syncthreads(); }
    __device__ void meet_others() const { __syncthreads(); }
    // Memory is cleared, and nobody has read or written more of it.
    __device__ void begin(grugen_arena *) { __syncthreads(); }
};

// Several blocks that share the units of their sequences; all of them run at the same time.
struct grugen_blocks : grugen_team {
    static constexpr bool gathers = true;
    __device__ void meet() const { __syncthreads(); }
    __device__ void begin(grugen_arena *) { meet_all(); }
    __device__ void meet_others() { meet_all(); }

    __device__ void meet_all()
    {
        __syncthreads();
        if (parts > 1) {
            if (rank == 0) {
                met += (unsigned)parts;
                GRUGEN_MEETING_BEGINS
                grugen_arrive(&meeting->arrived);
                // the difference, so that the count may run over
                while ((int)(grugen_look(&meeting->arrived) - met) < 0) {}
                GRUGEN_MEETING_ENDS
            }
            __syncthreads();
        }
    }
};

// All threads of a launch, which nobody needs to meet.
struct grugen_launched : grugen_team {
    __device__ void meet() const {}
};

__device__ inline grugen_launched grugen_whole_launch()
{
    grugen_launched team;
    team.rank = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    team.size = (int)(gridDim.x * blockDim.x);
    team.part = 0;
    team.parts = 1;
    team.meeting = nullptr;
    team.met = 0;
    return team;
}

// How threads are spread over rows and units: `across` of them side by side, a power of two.
struct grugen_spread {
    int row, rows;
    int unit, units, last;
};

__device__ inline grugen_spread grugen_spread_over(const grugen_team &team, int64_t units)
{
    grugen_spread spread;
    const int first = team.first_unit(units, team.part);
    spread.last = team.first_unit(units, team.part + 1);
    int across = GRUGEN_WARP;
    while (across < spread.last - first && across < 256) { across *= 2; }
    if (across > team.size) { across = GRUGEN_WARP; }
    spread.row = (int)((unsigned)team.rank / (unsigned)across);
    spread.rows = (int)((unsigned)team.size / (unsigned)across);
    spread.unit = first + (int)((unsigned)team.rank % (unsigned)across);
    spread.units = across;
    return spread;
}
