// Blocks that share the units of their sequences and do not meet from step to step: each posts what it
// computes together with the number of the step, and who multiplies with a vector waits for its
// elements. That takes one way through the L2 cache, where a meeting takes three. A post is written
// anew only when all blocks have read it: loops are run so where a vector that all wait for stands
// between, and each block posts its share of that one after it has read.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>
#include <type_traits>

#include "grugen_product.cuh"
#include "grugen_rows.cuh"
#include "grugen_team.cuh"
#include "grugen_tiling.cuh"

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

// Bytes for the posts of so many bytes of elements: twice as many, once more for short elements, and
// what some threads read behind the last one.
__host__ __device__ inline int64_t grugen_board(int64_t bytes)
{
    return (GRUGEN_CONVERTS ? 3 : 2) * bytes + GRUGEN_THREADS * (int64_t)sizeof(grugen_two_posts);
}

struct grugen_posted : grugen_blocks {
    static constexpr bool posts = true;
    static constexpr bool keeps = true;

    // what blocks of a group have in common has its posts behind it, in more memory: those of
    // an element are so far from twice its own address, or from that address
    uintptr_t apart;
    unsigned turn; // of what is computed now; 0 is none

    // In a step nobody waits for more than what others post.
    __device__ void meet_others() const { __syncthreads(); }

    __device__ void place(grugen_arena *arena) { place_posts(arena, 2); }

    // Posts that take so many `times` what elements do have their place.
    __device__ void place_posts(grugen_arena *arena, unsigned times)
    {
        const uintptr_t first = reinterpret_cast<uintptr_t>(arena->base);
        const void *const board = grugen_take(arena, grugen_board(arena->used));
        apart = reinterpret_cast<uintptr_t>(board) - times * first;
        turn = 1;
    }

    __device__ void enter(int step) { turn = (unsigned)step + 2; }

    // The posts of an element that blocks have in common.
    __device__ uint64_t *posts_of(const GRUGEN_REAL *element) const
    {
        return reinterpret_cast<uint64_t *>(apart + 2 * reinterpret_cast<uintptr_t>(element));
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

// Every row's vector on its way to `to`, in shared memory: who asks for several vectors before he waits
// for the first has them all the sooner. A thread asks for SIDE pairs of posts at once. So that all
// threads do the same, some ask for what is behind the last pair, and make nothing of it. Where all
// pairs come, and are asked for at once, there is STRAIGHT code for them, too, if a thread has
// registers for both ways.
template <int SIDE, bool STRAIGHT>
struct grugen_collecting {
    static constexpr int TOGETHER = 2 / GRUGEN_POSTS; // elements of two posts

    const uint64_t *posts; // of all rows, one behind the other
    GRUGEN_REAL *to;
    unsigned turn;
    int depth, twos; // elements of a vector, pairs of posts of it
    int count; // pairs of all rows
    bool simple; // all rows exist, and vectors are posted to the end of their last four elements
    grugen_two_posts found[SIDE];

    // Number i of the pairs that begin behind `start`.
    __device__ __forceinline__ int pair_of(int start, int i) const
    {
        return start + i * GRUGEN_THREADS + (int)threadIdx.x;
    }

    // Whether a thread has EACH pairs: some may have none where others have one.
    template <int EACH>
    __device__ __forceinline__ bool has() const
    {
        return EACH > 1 || pair_of(0, 0) < count;
    }

    template <int EACH>
    __device__ __forceinline__ void ask_for_all()
    {
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            if (has<EACH>()) { found[i] = grugen_look_at(posts + 2 * pair_of(0, i)); }
        }
    }

    template <int EACH>
    __device__ __forceinline__ void take_all()
    {
        GRUGEN_MEETING_BEGINS
        while (true) {
            unsigned missing = 0;
#pragma unroll
            for (int i = 0; i < EACH; ++i) {
                if (!has<EACH>()) { continue; }
                missing |= (unsigned)(found[i].of[0] >> 32) ^ turn;
                missing |= (unsigned)(found[i].of[1] >> 32) ^ turn;
            }
            if (missing == 0) { break; }
#ifdef GRUGEN_EMULATOR
            emulator::let_others_run(false, emulator::Site::here());
#endif
            ask_for_all<EACH>();
        }
        GRUGEN_MEETING_ENDS
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            if (has<EACH>()) { grugen_read_posts(found[i], to + TOGETHER * pair_of(0, i)); }
        }
    }

    // `work` with a constant for how many pairs a thread has: one at most, or what one doubled some
    // times makes, up to SIDE, if all threads have as many; `otherwise` if it is none of these.
    template <int EACH, class Work, class Otherwise>
    __device__ __forceinline__ void with_each(const Work &work, const Otherwise &otherwise) const
    {
        if (EACH > 1 ? count == EACH * GRUGEN_THREADS : count <= GRUGEN_THREADS) {
            work(std::integral_constant<int, EACH>());
        } else if constexpr (2 * EACH <= SIDE) {
            with_each<2 * EACH>(work, otherwise);
        } else {
            otherwise();
        }
    }

    // Where rows may not exist there are no registers left.
    template <class Rows>
    static constexpr bool is_straight = STRAIGHT && (Rows::are_whole || Rows::is_single);

    // The first pairs.
    template <class Rows>
    __device__ __forceinline__ void begin(const Rows &)
    {
        if constexpr (is_straight<Rows>) {
            if (simple) {
                with_each<1>(
                    [&](auto each) { ask_for_all<decltype(each)::value>(); }, [&] { ask(0); });
                return;
            }
        }
        ask(0);
    }

    // Wait for all that is missing.
    template <class Rows>
    __device__ __forceinline__ void take(const Rows &rows)
    {
        if constexpr (is_straight<Rows>) {
            if (simple) {
                with_each<1>(
                    [&](auto each) { take_all<decltype(each)::value>(); },
                    [&] { take_some(rows); });
                return;
            }
        }
        take_some(rows);
    }

    __device__ __forceinline__ void ask(int start)
    {
#pragma unroll
        for (int i = 0; i < SIDE; ++i) {
            if (start + i * GRUGEN_THREADS >= count) { break; }
            found[i] = grugen_look_at(posts + 2 * pair_of(start, i));
        }
    }

    // Which pairs of posts come: a bit for each of the first ones, and one for each of the second.
    // Rows that do not exist are not posted, nor is what fills up the last four elements of a vector.
    template <class Rows>
    __device__ __forceinline__ void expect([[maybe_unused]] const Rows &rows, int start, unsigned *first, unsigned *second) const
    {
        *first = *second = ~0u;
        if constexpr (!Rows::are_whole) {
            if (simple) { return; }
#pragma unroll 1
            for (int i = 0; i < SIDE; ++i) {
                const int pair = pair_of(start, i);
                const int row = (int)((unsigned)pair / (unsigned)twos);
                const int left = rows.locate(row).alive ? depth - TOGETHER * (pair - row * twos) : 0;
                if (left < 1) { *first &= ~(1u << i); }
                if (left < TOGETHER) { *second &= ~(1u << i); }
            }
        }
    }

    // The same where some have more pairs than others, or not all of them come.
    template <class Rows>
    __device__ __forceinline__ void take_some(const Rows &rows)
    {
        for (int start = 0; start < count; start += SIDE * GRUGEN_THREADS) {
            unsigned first, second;
            expect(rows, start, &first, &second);
            bool asks = start > 0;
            GRUGEN_MEETING_BEGINS
            while (true) {
                if (asks) { ask(start); }
                unsigned missing = 0;
#pragma unroll
                for (int i = 0; i < SIDE; ++i) {
                    if (start + i * GRUGEN_THREADS >= count) { break; }
                    const unsigned others = (unsigned)(found[i].of[0] >> 32) ^ turn;
                    const unsigned too = (unsigned)(found[i].of[1] >> 32) ^ turn;
                    const bool is_there = pair_of(start, i) < count;
                    missing |= is_there && (first >> i & 1u) != 0u ? others : 0u;
                    missing |= is_there && (second >> i & 1u) != 0u ? too : 0u;
                }
                if (missing == 0) { break; }
#ifdef GRUGEN_EMULATOR
                emulator::let_others_run(false, emulator::Site::here());
#endif
                asks = true;
            }
            GRUGEN_MEETING_ENDS
#pragma unroll
            for (int i = 0; i < SIDE; ++i) {
                if (start + i * GRUGEN_THREADS >= count) { break; }
                const int pair = pair_of(start, i);
                if (pair < count) { grugen_read_posts(found[i], to + TOGETHER * pair); }
            }
        }
    }
};

// Ask for a vector of every row, which begins at `vectors` for the first of them: what was computed
// BEFORE so many steps, 0 or 1.
template <int BEFORE, int SIDE, bool STRAIGHT, class Rows>
__device__ __forceinline__ grugen_collecting<SIDE, STRAIGHT> grugen_collect(
    const grugen_posted &team, const Rows &rows, int depth, const GRUGEN_REAL *vectors, GRUGEN_REAL *to)
{
    grugen_collecting<SIDE, STRAIGHT> asked;
    asked.posts = team.posts_of(vectors);
    asked.to = to;
    asked.turn = team.turn - BEFORE;
    asked.depth = depth;
    asked.twos = grugen_padded(depth) / asked.TOGETHER;
    asked.count = rows.count() * asked.twos;
    asked.simple = Rows::are_whole || (depth % 4 == 0 && !rows.have_lengths());
    asked.begin(rows);
    return asked;
}

// Blocks that do not post have nothing to wait for.
struct grugen_nothing_collected {};

template <int BEFORE, int SIDE, bool STRAIGHT, class Rows>
__device__ __forceinline__ grugen_nothing_collected
grugen_collect(const grugen_team &, const Rows &, int, const GRUGEN_REAL *, GRUGEN_REAL *)
{
    return {};
}
