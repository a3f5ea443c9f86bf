// Blocks that post, as in grugen_post.cuh, where weights are bfloat16: a post is an element rounded to
// it and the turn, 16 bits each, and tensor cores multiply what was posted just as it comes. Each warp
// of a block has a share of the depth and waits for that alone.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include "grugen_fragments.cuh"
#include "grugen_post.cuh"

// Four posts that lie side by side.
struct grugen_four_posts {
    uint32_t of[4];
};

__device__ inline void grugen_post_short(uint32_t *post, uint32_t element, unsigned turn)
{
    const uint32_t both = turn << 16 | element;
#ifdef GRUGEN_EMULATOR
    emulator::store_relaxed(post, both);
#else
    asm volatile("st.relaxed.gpu.global.b32 [%0], %1;" : : "l"(post), "r"(both) : "memory");
#endif
}

__device__ __forceinline__ grugen_four_posts grugen_look_at_four(const uint32_t *posts)
{
    grugen_four_posts found;
#ifdef GRUGEN_EMULATOR
#pragma unroll
    for (int e = 0; e < 4; ++e) { found.of[e] = emulator::load_relaxed(posts + e); }
#else
    asm volatile("ld.relaxed.gpu.global.v4.b32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(found.of[0]), "=r"(found.of[1]), "=r"(found.of[2]), "=r"(found.of[3])
                 : "l"(posts)
                 : "memory");
#endif
    return found;
}

struct grugen_tensor_posted : grugen_posted {
    static constexpr bool gathers = false;
    static constexpr bool on_tensor_cores = true;

    // A post takes as much as an element.
    __device__ void place(grugen_arena *arena) { place_posts(arena, 1); }

    // Turns are counted in 16 bits: nobody is more than two of them behind the others.
    __device__ uint32_t *post_of(const float *element) const
    {
        return reinterpret_cast<uint32_t *>(apart + reinterpret_cast<uintptr_t>(element));
    }

    __device__ void share(float *element, float value) const
    {
        *element = value;
        grugen_post_short(post_of(element), grugen_bits_of(grugen_stored_of(value)), turn);
    }
};

// Lanes that went on one by one: a tensor core takes all of a warp at once. The instruction itself
// brings them together in the emulator, so no test can show that a device needs this.
__device__ __forceinline__ void grugen_gather_lanes() { __syncwarp(); }

// A lane's share of eight rows' vectors: ROOM pieces of it are on their way from other blocks.
template <int ROOM, class Rows>
struct grugen_asked {
    const Rows &rows;
    const uint32_t *first; // of the first of all rows, from this lane's first element on
    int line; // from row to row
    unsigned turn;
    int left; // elements from there to the end of a vector
    const uint32_t *posts; // of this lane's row
    bool waits; // a row that does not exist is not posted
    grugen_four_posts found[ROOM];

    // Ask for the pieces from number `begin` on. What is behind the end has come already.
    __device__ __forceinline__ void ask(int begin)
    {
#pragma unroll
        for (int i = 0; i < ROOM; ++i) {
            const int before = (begin + i) * GRUGEN_STRIDE;
            found[i] = {{turn << 16, turn << 16, turn << 16, turn << 16}};
            if (left > before) { found[i] = grugen_look_at_four(posts + before); }
        }
    }

    // Go to the rows from number `eight` on.
    __device__ __forceinline__ void turn_to(int eight)
    {
        const int row = eight + (int)threadIdx.x % GRUGEN_WARP / 4;
        posts = first + rows.some(row) * line;
        waits = rows.locate(row).alive;
    }

    // Whether posts are as they will be; of the elements from the first on `rest` are in the vector.
    __device__ __forceinline__ bool are_there(const grugen_four_posts &four, int rest) const
    {
        const unsigned both_turns = (turn & 0xffffu) * 0x10001u;
        const auto &posts_of = four.of;
        unsigned lower = (posts_of[0] >> 16 | (posts_of[1] & 0xffff0000u)) ^ both_turns;
        unsigned upper = (posts_of[2] >> 16 | (posts_of[3] & 0xffff0000u)) ^ both_turns;
        // the same for all lanes
        if (!Rows::are_whole && left % 4 != 0) {
            lower &= rest > 1 ? ~0u : rest > 0 ? 0xffffu : 0u;
            upper &= rest > 3 ? ~0u : rest > 2 ? 0xffffu : 0u;
        }
        return (lower | upper) == 0u;
    }

    // Wait for what was asked for, and ask again for what has not come: all of it would keep waiting
    // what is posted meanwhile.
    __device__ __forceinline__ void take(int begin)
    {
        GRUGEN_MEETING_BEGINS
        while (waits) {
            unsigned missing = 0; // a bit for each piece
#pragma unroll
            for (int i = 0; i < ROOM; ++i) {
                const bool is_there = are_there(found[i], left - (begin + i) * GRUGEN_STRIDE);
                missing |= is_there ? 0u : 1u << i;
            }
            if (missing == 0) { break; }
#ifdef GRUGEN_EMULATOR
            emulator::let_others_run(false, emulator::Site::here());
#endif
#pragma unroll
            for (int i = 0; i < ROOM; ++i) {
                if ((missing >> i & 1u) == 0) { continue; }
                found[i] = grugen_look_at_four(posts + (begin + i) * GRUGEN_STRIDE);
            }
        }
        GRUGEN_MEETING_ENDS
        grugen_gather_lanes();
    }

    // Elements of piece i of those as tensor cores take them.
    __device__ __forceinline__ grugen_pairs pairs(int i) const
    {
        const auto &posts_of = found[i].of;
        return {{(posts_of[0] & 0xffffu) | posts_of[1] << 16,
                 (posts_of[2] & 0xffffu) | posts_of[3] << 16}};
    }
};

// This lane's share of the first eight rows' vectors, which it may ask for. Other blocks post them;
// `vectors` is the first of all rows', as it was computed BEFORE so many steps, 0 or 1.
template <class Panels, int BEFORE, class Rows>
__device__ __forceinline__ grugen_asked<Panels::room, Rows> grugen_ask(
    const grugen_tile &at,
    const grugen_tensor_posted &team,
    const Rows &rows,
    int depth,
    const float *vectors)
{
    const int first = grugen_first_element(team);
    // all is multiplied with the first tile
    const int left = at.tile > 0 ? 0 : depth - first;
    grugen_asked<Panels::room, Rows> asked = {
        rows, team.post_of(vectors) + first, grugen_padded(depth), team.turn - BEFORE, left, nullptr,
        false, {}};
    asked.turn_to(0);
    return asked;
}

// Blocks that do without tensor cores ask for nothing before they multiply.
struct grugen_nothing {
    __device__ static void ask(int) {}
};

template <class Panels, int BEFORE, class Rows>
__device__ __forceinline__ grugen_nothing
grugen_ask(const grugen_tile &, const grugen_team &, const Rows &, int, const float *)
{
    return {};
}

// How a nest is spread: pairs of a row and a unit, each one thread's, or two threads' where rows are
// few. All threads go through all tiles.
__device__ inline grugen_tile grugen_first_tile(
    const grugen_tensor_posted &team, int count, int units, int, int, int)
{
    grugen_tile at = {};
    at.first = team.first_unit(units, team.part);
    at.last = team.first_unit(units, team.part + 1);
    at.split = count > team.warps() ? 1 : 2;
    at.rows = team.warps() * (3 - at.split);
    at.width = GRUGEN_UNITS;
    at.own = team.lane() % GRUGEN_UNITS;
    const int upper = team.lane() / GRUGEN_UNITS;
    at.part = at.split > 1 ? upper : 0;
    at.members = at.part == 0 ? 1 : 0;
    at.member = at.split > 1 ? team.warp() : 2 * team.warp() + upper;
    at.groups = 1;
    at.step = 1;
    at.tiles = (count + at.rows - 1) / at.rows;
    at.place();
    return at;
}
