// A workspace that is carved up, and the floating-point mode inside kernels.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

// The caller's workspace: `used` bytes are handed out; with base NULL they are only counted.
typedef struct grugen_arena {
    char *base;
    int64_t used;
} grugen_arena;

static inline void *grugen_take(grugen_arena *arena, int64_t bytes)
{
    char *const start = arena->base == NULL ? NULL : arena->base + arena->used;
    arena->used += (bytes + 63) / 64 * 64;
    return start;
}

// Where a sequence ends: no lengths means that all of them run over all T steps.
static inline int64_t grugen_length(const int64_t *lengths, int64_t T, int64_t b)
{
    return lengths == NULL ? T : lengths[b];
}

// Denormals cost a hundred cycles each and mean nothing here: they count as zero until the
// caller's mode is put back.
static inline uint64_t grugen_flush_denormals(void)
{
#if defined(__SSE2__)
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040u);
    return mode;
#elif defined(__aarch64__)
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    __asm__ volatile("msr fpcr, %0" : : "r"(mode | (UINT64_C(1) << 24)));
    return mode;
#else
    return 0;
#endif
}

static inline void grugen_restore_denormals(uint64_t mode)
{
#if defined(__SSE2__)
    _mm_setcsr((unsigned)mode);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
    (void)mode;
#endif
}
