// Blocks that share the units of their sequences and do not meet from step to step: each posts what it
// computes together with the number of the step, and who multiplies with a vector waits for its
// elements. That takes one way through the L2 cache, where a meeting takes three.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include "grugen_product.cuh"
#include "grugen_rows.cuh"
#include "grugen_team.cuh"

// What is posted: 32 bits of an element and the turn that they belong to, written and read at once.
constexpr int GRUGEN_POSTS = (int)(sizeof(GRUGEN_REAL) / sizeof(uint32_t)); // of an element

// Two posts: two elements, or the halves of a long one.
struct grugen_two_posts {
    uint64_t of[2];
};

// Nothing else that this thread reads or writes is ordered by these two: a post is all that whoever
// reads it wants to know.
__device__ inline void grugen_post(uint64_t *post, uint32_t bits, unsigned turn)
{
    const uint64_t both = (uint64_t)turn << 32 | bits;
#ifdef GRUGEN_EMULATOR
    emulator::store_relaxed(post, both);
#else
    asm volatile("st.relaxed.gpu.global.b64 [%0], %1;" : : "l"(post), "l"(both) : "memory");
#endif
}

__device__ __forceinline__ grugen_two_posts grugen_look_at(const uint64_t *posts)
{
    grugen_two_posts found;
#ifdef GRUGEN_EMULATOR
    found.of[0] = emulator::load_relaxed(posts);
    found.of[1] = emulator::load_relaxed(posts + 1);
#else
    asm volatile("ld.relaxed.gpu.global.v2.b64 {%0, %1}, [%2];"
                 : "=l"(found.of[0]), "=l"(found.of[1])
                 : "l"(posts)
                 : "memory");
#endif
    return found;
}

struct grugen_posted : grugen_blocks {
    static constexpr bool posts = true;

    char *common; // what the blocks of a group have in common; posts lie behind it
    uint64_t *board;
    unsigned turn; // of what is computed now; 0 is none

    // In a step nobody waits for more than what others post.
    __device__ void meet_others() const { __syncthreads(); }

    // Twice what blocks have in common is for posts: they are as long again as elements.
    __device__ void place(grugen_arena *arena)
    {
        common = arena->base;
        board = static_cast<uint64_t *>(grugen_take(arena, 2 * arena->used));
        turn = 1;
    }

    __device__ void enter(int step) { turn = (unsigned)step + 2; }

    // The posts of an element that blocks have in common.
    __device__ uint64_t *posts_of(const GRUGEN_REAL *element) const
    {
        const int64_t before = reinterpret_cast<const char *>(element) - common;
        return board + before / (int64_t)sizeof(uint32_t);
    }

    __device__ void share(GRUGEN_REAL *element, GRUGEN_REAL value) const
    {
        *element = value;
        uint64_t *const post = posts_of(element);
        if constexpr (GRUGEN_POSTS == 1) {
            grugen_post(post, __float_as_uint((float)value), turn);
        } else {
            const uint64_t bits = (uint64_t)__double_as_longlong((double)value);
            grugen_post(post, (uint32_t)bits, turn);
            grugen_post(post + 1, (uint32_t)(bits >> 32), turn);
        }
    }
};

// Two posts as elements, where two fit.
__device__ __forceinline__ void
grugen_read_posts(const grugen_two_posts &posts, GRUGEN_REAL *elements)
{
    if constexpr (GRUGEN_POSTS == 1) {
        grugen_elements_of<GRUGEN_REAL, 2> two;
        two.of[0] = (GRUGEN_REAL)__uint_as_float((unsigned)posts.of[0]);
        two.of[1] = (GRUGEN_REAL)__uint_as_float((unsigned)posts.of[1]);
        *reinterpret_cast<grugen_elements_of<GRUGEN_REAL, 2> *>(elements) = two;
    } else {
        const uint64_t bits = posts.of[1] << 32 | (uint32_t)posts.of[0];
        *elements = (GRUGEN_REAL)__longlong_as_double((long long)bits);
    }
}

// Wait for every row's vector, and bring it to `memory`: what was computed BEFORE so many steps, 0 or
// 1. Teams that do not post find it where it lies. A thread asks for SIDE things at once.
template <int BEFORE, class Team, class Rows, class VectorOf>
__device__ __forceinline__ void grugen_collect(
    const Team &team, const Rows &rows, int depth, const VectorOf &vector_of, GRUGEN_REAL *memory)
{
    if constexpr (!Team::posts) {
        grugen_gather<GRUGEN_ALIGNED>(team, rows, depth, vector_of, memory);
    } else {
        constexpr int SIDE = 8;
        constexpr int TOGETHER = 2 / GRUGEN_POSTS; // elements of two posts
        const unsigned turn = team.turn - BEFORE;
        const int padded = grugen_padded(depth);
        const int twos = padded / TOGETHER;
        // the same steps for all: from row to row without a division
        const int rows_on = team.size / twos;
        const int twos_on = team.size - rows_on * twos;
        int row = team.rank / twos;
        int two = team.rank - row * twos;
        while (row < rows.count()) {
            const uint64_t *from[SIDE];
            int to[SIDE], missing[SIDE];
#pragma unroll
            for (int i = 0; i < SIDE; ++i) {
                const grugen_here here = rows.locate(row);
                const bool is_there = row < rows.count() && here.alive;
                from[i] = is_there ? team.posts_of(vector_of(here)) + 2 * two : nullptr;
                to[i] = row * padded + TOGETHER * two;
                // what fills up the last four is nobody's
                missing[i] = depth - TOGETHER * two;
                row += rows_on;
                two += twos_on;
                if (two >= twos) {
                    two -= twos;
                    ++row;
                }
            }
            grugen_two_posts found[SIDE] = {};
            bool all = false;
            while (!all) {
                all = true;
#pragma unroll
                for (int i = 0; i < SIDE; ++i) {
                    if (from[i] != nullptr) { found[i] = grugen_look_at(from[i]); }
                }
#pragma unroll
                for (int i = 0; i < SIDE; ++i) {
                    const bool first = (unsigned)(found[i].of[0] >> 32) == turn;
                    const bool second = (unsigned)(found[i].of[1] >> 32) == turn;
                    const bool has_both =
                        (first || missing[i] < 1) && (second || missing[i] < TOGETHER);
                    all = all && (from[i] == nullptr || has_both);
                }
#ifdef GRUGEN_EMULATOR
                if (!all) { emulator::let_others_run(false, emulator::Site::here()); }
#endif
            }
#pragma unroll
            for (int i = 0; i < SIDE; ++i) {
                if (from[i] != nullptr) { grugen_read_posts(found[i], memory + to[i]); }
            }
        }
    }
}
