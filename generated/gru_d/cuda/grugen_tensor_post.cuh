// Blocks that post, as in grugen_post.cuh, where weights are bfloat16: a post is an element rounded to
// it and the turn, 16 bits each, or the elements of three vectors and the turn. Tensor cores multiply
// what was posted just as it comes. Each warp of a block has a share of the depth and waits for that
// alone.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include "grugen_fragments.cuh"
#include "grugen_post.cuh"

// Four posts that lie side by side.
template <class Post>
struct grugen_four_posts {
    Post of[4];
};

__device__ __forceinline__ uint32_t grugen_upper(uint32_t post) { return post; }
__device__ __forceinline__ uint32_t grugen_upper(uint64_t post) { return (uint32_t)(post >> 32); }

__device__ inline void grugen_post_short(uint32_t *post, uint32_t element, unsigned turn)
{
    const uint32_t both = turn << 16 | element;
#ifdef GRUGEN_EMULATOR
    emulator::store_relaxed(post, both);
#else
    asm volatile("st.relaxed.gpu.global.b32 [%0], %1;" : : "l"(post), "r"(both) : "memory");
#endif
}

__device__ __forceinline__ grugen_four_posts<uint32_t> grugen_look_at_four(const uint32_t *posts)
{
    grugen_four_posts<uint32_t> found;
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

__device__ __forceinline__ grugen_four_posts<uint64_t> grugen_look_at_four(const uint64_t *posts)
{
    const grugen_two_posts first = grugen_look_at(posts), last = grugen_look_at(posts + 2);
    return {{first.of[0], first.of[1], last.of[0], last.of[1]}};
}

// An element of two posts, one in each half of a word; of three vectors number WHICH.
template <int WHICH>
__device__ __forceinline__ uint32_t grugen_pair_of(uint32_t first, uint32_t second)
{
    static_assert(WHICH == 0);
    return (first & 0xffffu) | second << 16;
}

template <int WHICH>
__device__ __forceinline__ uint32_t grugen_pair_of(uint64_t first, uint64_t second)
{
    const uint32_t one = (uint32_t)(first >> (WHICH > 1 ? 32 : 0));
    const uint32_t other = (uint32_t)(second >> (WHICH > 1 ? 32 : 0));
    return WHICH == 1 ? one >> 16 | (other & 0xffff0000u) : (one & 0xffffu) | other << 16;
}

struct grugen_tensor_posted : grugen_posted {
    static constexpr bool gathers = false;
    static constexpr bool on_tensor_cores = true;

    uintptr_t beside; // as `apart`, of what is posted together

    // A post takes as much as an element; those of three vectors, behind all others, twice as much.
    __device__ void place(grugen_arena *arena)
    {
        const int64_t elements = arena->used;
        const uintptr_t first = reinterpret_cast<uintptr_t>(arena->base);
        place_posts(arena, 1);
        beside = apart + (uintptr_t)elements - first;
    }

    // Turns are counted in 16 bits: nobody is more than two of them behind the others.
    __device__ void find_posts(const float *element, uint32_t **post) const
    {
        *post = reinterpret_cast<uint32_t *>(apart + reinterpret_cast<uintptr_t>(element));
    }

    __device__ void find_posts(const float *element, uint64_t **post) const
    {
        *post = reinterpret_cast<uint64_t *>(beside + 2 * reinterpret_cast<uintptr_t>(element));
    }

    __device__ void share(float *element, float value) const
    {
        *element = value;
        uint32_t *post;
        find_posts(element, &post);
        grugen_post_short(post, grugen_bits_of(grugen_stored_of(value)), turn);
    }
};

__device__ __forceinline__ void grugen_share_three(
    const grugen_tensor_posted &team,
    float *first,
    float of_first,
    float *second,
    float of_second,
    float *third,
    float of_third)
{
    *first = of_first;
    *second = of_second;
    *third = of_third;
    uint64_t *post;
    team.find_posts(first, &post);
    const uint32_t lower = grugen_bits_of(grugen_stored_of(of_first)) |
        grugen_bits_of(grugen_stored_of(of_second)) << 16;
    const unsigned upper = grugen_bits_of(grugen_stored_of(of_third)) | team.turn << 16;
    grugen_post(post, lower, upper);
}

// Lanes that went on one by one: a tensor core takes all of a warp at once. The instruction itself
// brings them together in the emulator, so no test can show that a device needs this.
__device__ __forceinline__ void grugen_gather_lanes() { __syncwarp(); }

// A lane's share of eight rows' vectors: ROOM pieces of it are on their way from other blocks.
template <int ROOM, class Post, class Rows>
struct grugen_asked {
    const Rows &rows;
    const Post *first; // of the first of all rows, from this lane's first element on
    int line; // from row to row
    unsigned turn;
    int left; // elements from there to the end of a vector
    const Post *posts; // of this lane's row
    bool waits; // a row that does not exist is not posted
    grugen_four_posts<Post> found[ROOM];

    // Ask for the pieces from number `begin` on. What is behind the end has come already.
    __device__ __forceinline__ void ask(int begin)
    {
#pragma unroll
        for (int i = 0; i < ROOM; ++i) {
            const int before = (begin + i) * GRUGEN_STRIDE;
            const Post empty = (Post)turn << (8 * sizeof(Post) - 16);
            found[i] = {{empty, empty, empty, empty}};
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
    __device__ __forceinline__ bool are_there(const grugen_four_posts<Post> &four, int rest) const
    {
        const unsigned both_turns = (turn & 0xffffu) * 0x10001u;
        uint32_t turns[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) { turns[e] = grugen_upper(four.of[e]); }
        unsigned lower = (turns[0] >> 16 | (turns[1] & 0xffff0000u)) ^ both_turns;
        unsigned upper = (turns[2] >> 16 | (turns[3] & 0xffff0000u)) ^ both_turns;
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

    // Elements of piece i of those as tensor cores take them, of vector number WHICH.
    template <int WHICH>
    __device__ __forceinline__ grugen_pairs pairs(int i) const
    {
        const auto &four = found[i].of;
        return {{grugen_pair_of<WHICH>(four[0], four[1]), grugen_pair_of<WHICH>(four[2], four[3])}};
    }
};

// This lane's share of the first eight rows' vectors, which it may ask for. Other blocks post them;
// `vectors` is the first of all rows', as it was computed BEFORE so many steps, 0 or 1: the first of
// three if they are posted together.
template <class Panels, class Post, int BEFORE, class Rows>
__device__ __forceinline__ grugen_asked<Panels::room, Post, Rows> grugen_ask(
    const grugen_tile &at,
    const grugen_tensor_posted &team,
    const Rows &rows,
    int depth,
    const float *vectors)
{
    const int first = grugen_first_element(team);
    // all is multiplied with the first tile
    const int left = at.tile > 0 ? 0 : depth - first;
    Post *posts;
    team.find_posts(vectors, &posts);
    grugen_asked<Panels::room, Post, Rows> asked = {
        rows, posts + first, grugen_padded(depth), team.turn - BEFORE, left, nullptr, false, {}};
    asked.turn_to(0);
    return asked;
}

// Blocks that do without tensor cores ask for nothing before they multiply.
struct grugen_nothing_asked {
    __device__ static void ask(int) {}
};

template <class Panels, class Post, int BEFORE, class Rows>
__device__ __forceinline__ grugen_nothing_asked
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
