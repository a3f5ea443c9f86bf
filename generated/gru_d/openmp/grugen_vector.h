// Vectors of GRUGEN_REAL, GRUGEN_VECTOR_BYTES wide, for every instruction set from one text.
//
// Arithmetic and comparisons are operators of the vector extensions that GCC and Clang share.
// Here is what the extensions lack: memory of which only some lanes exist, selection by a mask,
// sums. Where x86 has an instruction for it, its intrinsic is used; what stands after the last
// #else serves every machine.
#pragma once

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define GRUGEN_LANES (GRUGEN_VECTOR_BYTES / (int)sizeof(GRUGEN_REAL))
#define GRUGEN_INLINE static inline __attribute__((always_inline, unused))

#if GRUGEN_REAL_IS_F32
typedef int32_t grugen_whole;
typedef uint32_t grugen_natural;
#else
typedef int64_t grugen_whole;
typedef uint64_t grugen_natural;
#endif

// A value; a comparison of two, 0 or -1 in each lane; the bits of a value.
typedef GRUGEN_REAL grugen_vector __attribute__((vector_size(GRUGEN_VECTOR_BYTES)));
typedef grugen_whole grugen_mask __attribute__((vector_size(GRUGEN_VECTOR_BYTES)));
typedef grugen_natural grugen_bits __attribute__((vector_size(GRUGEN_VECTOR_BYTES)));

// A vector in memory, at any address of an element.
typedef GRUGEN_REAL grugen_stored_vector __attribute__((
    vector_size(GRUGEN_VECTOR_BYTES), aligned(sizeof(GRUGEN_REAL)), may_alias));

// GRUGEN_X86(min) is the intrinsic for vectors of this width and type, where there is one.
#if defined(__AVX512F__) && GRUGEN_VECTOR_BYTES == 64
#define GRUGEN_X86_BYTES 64
#elif defined(__AVX__) && GRUGEN_VECTOR_BYTES == 32
#define GRUGEN_X86_BYTES 32
#elif defined(__SSE2__) && GRUGEN_VECTOR_BYTES == 16
#define GRUGEN_X86_BYTES 16
#else
#define GRUGEN_X86_BYTES 0
#endif

#if GRUGEN_X86_BYTES == 64 && GRUGEN_REAL_IS_F32
#define GRUGEN_X86(name) _mm512_##name##_ps
#define GRUGEN_SOME_LANES(lanes) ((__mmask16)((1u << (lanes)) - 1u))
#elif GRUGEN_X86_BYTES == 64
#define GRUGEN_X86(name) _mm512_##name##_pd
#define GRUGEN_SOME_LANES(lanes) ((__mmask8)((1u << (lanes)) - 1u))
#elif GRUGEN_X86_BYTES == 32 && GRUGEN_REAL_IS_F32
#define GRUGEN_X86(name) _mm256_##name##_ps
#elif GRUGEN_X86_BYTES == 32
#define GRUGEN_X86(name) _mm256_##name##_pd
#elif GRUGEN_X86_BYTES == 16 && GRUGEN_REAL_IS_F32
#define GRUGEN_X86(name) _mm_##name##_ps
#elif GRUGEN_X86_BYTES == 16
#define GRUGEN_X86(name) _mm_##name##_pd
#endif

// `value` in every lane; not 0 + value, which would lose the sign of -0.
GRUGEN_INLINE grugen_vector grugen_spread_v(GRUGEN_REAL value)
{
#if GRUGEN_X86_BYTES
    return GRUGEN_X86(set1)(value);
#elif defined(__aarch64__) && GRUGEN_VECTOR_BYTES == 16 && GRUGEN_REAL_IS_F32
    return (grugen_vector)vdupq_n_f32(value);
#elif defined(__aarch64__) && GRUGEN_VECTOR_BYTES == 16
    return (grugen_vector)vdupq_n_f64(value);
#else
    grugen_vector spread;
    for (int lane = 0; lane < GRUGEN_LANES; ++lane) { spread[lane] = value; }
    return spread;
#endif
}

// a where the mask is set, b elsewhere; bits are chosen, so what is not selected leaves no trace.
GRUGEN_INLINE grugen_vector grugen_select_v(grugen_mask mask, grugen_vector a, grugen_vector b)
{
    return (grugen_vector)((mask & (grugen_mask)a) | (~mask & (grugen_mask)b));
}

GRUGEN_INLINE grugen_vector grugen_load_whole_v(const GRUGEN_REAL *p)
{
    return *(const grugen_stored_vector *)p;
}

GRUGEN_INLINE void grugen_store_whole_v(GRUGEN_REAL *p, grugen_vector value)
{
    *(grugen_stored_vector *)p = value;
}

// How many lanes of the next vector exist, with `rest` elements to go.
GRUGEN_INLINE int grugen_lanes(int64_t rest)
{
    return rest < GRUGEN_LANES ? (int)rest : GRUGEN_LANES;
}

#if GRUGEN_X86_BYTES == 32
// The first `lanes` lanes, as a window that slides over ones and zeros.
GRUGEN_INLINE __m256i grugen_window(int lanes)
{
    static const grugen_whole window[2 * GRUGEN_LANES] = {
#if GRUGEN_REAL_IS_F32
        -1, -1, -1, -1,
#endif
        -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(window + GRUGEN_LANES - lanes));
}
#endif

// The first `lanes` elements at p, 1 to GRUGEN_LANES of them; the other lanes are 0, and their
// memory is never touched.
GRUGEN_INLINE grugen_vector grugen_load_v(const GRUGEN_REAL *p, int lanes)
{
    if (__builtin_expect(lanes == GRUGEN_LANES, 1)) { return grugen_load_whole_v(p); }
#if GRUGEN_X86_BYTES == 64
    return GRUGEN_X86(maskz_loadu)(GRUGEN_SOME_LANES(lanes), p);
#elif GRUGEN_X86_BYTES == 32
    return GRUGEN_X86(maskload)(p, grugen_window(lanes));
#else
    grugen_vector value = {0};
    for (int lane = 0; lane < GRUGEN_LANES - 1; ++lane) {
        if (lane < lanes) { value[lane] = p[lane]; }
    }
    return value;
#endif
}

// Write the first `lanes` lanes to p and nothing behind them.
GRUGEN_INLINE void grugen_store_v(GRUGEN_REAL *p, grugen_vector value, int lanes)
{
    if (__builtin_expect(lanes == GRUGEN_LANES, 1)) {
        grugen_store_whole_v(p, value);
        return;
    }
#if GRUGEN_X86_BYTES == 64
    GRUGEN_X86(mask_storeu)(p, GRUGEN_SOME_LANES(lanes), value);
#elif GRUGEN_X86_BYTES == 32
    GRUGEN_X86(maskstore)(p, grugen_window(lanes), value);
#else
    for (int lane = 0; lane < GRUGEN_LANES - 1; ++lane) {
        if (lane < lanes) { p[lane] = value[lane]; }
    }
#endif
}

// A row as it is: it is short, and a call of memcpy takes longer.
GRUGEN_INLINE void grugen_copy_v(GRUGEN_REAL *to, const GRUGEN_REAL *from, int64_t width)
{
    for (int64_t j = 0; j < width; j += GRUGEN_LANES) {
        const int lanes = grugen_lanes(width - j);
        grugen_store_v(to + j, grugen_load_v(from + j, lanes), lanes);
    }
}

// The sum of all lanes, by halves.
GRUGEN_INLINE GRUGEN_REAL grugen_lanes_sum(grugen_vector value)
{
    GRUGEN_REAL lane[GRUGEN_LANES];
    memcpy(lane, &value, sizeof(lane));
    for (int half = GRUGEN_LANES / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) { lane[i] += lane[i + half]; }
    }
    return lane[0];
}

// Sums run in four accumulators, to hide the latency of an addition, which take the vectors in
// turn: the order is fixed by n and the width of the vectors.
static inline __attribute__((unused)) GRUGEN_REAL grugen_sum_v(const GRUGEN_REAL *p, int64_t n)
{
    grugen_vector a = {0}, b = {0}, c = {0}, d = {0};
    int64_t i = 0;
    for (; i + 4 * GRUGEN_LANES <= n; i += 4 * GRUGEN_LANES) {
        a += grugen_load_whole_v(p + i);
        b += grugen_load_whole_v(p + i + GRUGEN_LANES);
        c += grugen_load_whole_v(p + i + 2 * GRUGEN_LANES);
        d += grugen_load_whole_v(p + i + 3 * GRUGEN_LANES);
    }
    for (; i < n; i += GRUGEN_LANES) { a += grugen_load_v(p + i, grugen_lanes(n - i)); }
    return grugen_lanes_sum((a + b) + (c + d));
}

static inline __attribute__((unused)) GRUGEN_REAL
grugen_dot_v(const GRUGEN_REAL *p, const GRUGEN_REAL *q, int64_t n)
{
    grugen_vector a = {0}, b = {0}, c = {0}, d = {0};
    int64_t i = 0;
    for (; i + 4 * GRUGEN_LANES <= n; i += 4 * GRUGEN_LANES) {
        const GRUGEN_REAL *const left = p + i, *const right = q + i;
        a += grugen_load_whole_v(left) * grugen_load_whole_v(right);
        b += grugen_load_whole_v(left + GRUGEN_LANES) * grugen_load_whole_v(right + GRUGEN_LANES);
        c += grugen_load_whole_v(left + 2 * GRUGEN_LANES) *
             grugen_load_whole_v(right + 2 * GRUGEN_LANES);
        d += grugen_load_whole_v(left + 3 * GRUGEN_LANES) *
             grugen_load_whole_v(right + 3 * GRUGEN_LANES);
    }
    for (; i < n; i += GRUGEN_LANES) {
        const int lanes = grugen_lanes(n - i);
        a += grugen_load_v(p + i, lanes) * grugen_load_v(q + i, lanes);
    }
    return grugen_lanes_sum((a + b) + (c + d));
}
