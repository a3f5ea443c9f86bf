// Where the time of a kernel goes. Built with -DGRUGEN_PROFILE=1, every thread has a clock that
// charges the time since the last mark to the component that is left; a kernel exports the sums
// over threads. In any other build the marks are nothing.
#pragma once

#include <stdint.h>

#ifndef GRUGEN_PROFILE
#define GRUGEN_PROFILE 0
#endif

#if GRUGEN_PROFILE

#include <omp.h>
#include <stddef.h>

#ifdef GRUGEN_LEVEL
#error "an instrumented library is built for one level of instructions"
#endif

typedef struct grugen_clock {
    int64_t *spent; // ticks, by component
    int64_t *total; // the same of all threads and calls
    int32_t count; // of components; the last is the rest, the one before it is waiting
    int32_t entered, before;
    int64_t since;
    int64_t cost; // of reading the clock
    int64_t gap, left; // one short product in `gap` is timed, `left` of them are to come until then
    int64_t weight; // how many the timed one stands for
    uint64_t lot;
} grugen_clock;

static __thread grugen_clock *grugen_clock_here
#ifdef __ELF__
    __attribute__((tls_model("initial-exec")))
#endif
    ;

static inline int64_t grugen_ticks(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return (int64_t)__builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    int64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return (int64_t)(omp_get_wtime() * 1e9);
#endif
}

// Measured once, against the monotonic clock that OpenMP has.
static inline double grugen_tick_seconds(void)
{
    static double seconds = 0;
    if (seconds > 0) { return seconds; }
    const double start = omp_get_wtime();
    const int64_t first = grugen_ticks();
    while (omp_get_wtime() - start < 0.02) {}
    seconds = (omp_get_wtime() - start) / (double)(grugen_ticks() - first);
    return seconds;
}

// Time goes to component number `next` from now on.
static inline void grugen_enter(const int32_t next)
{
    grugen_clock *const clock = grugen_clock_here;
    const int64_t now = grugen_ticks();
    clock->spent[clock->entered] += now - clock->since;
    clock->since = now;
    clock->entered = next;
}

// Nothing to do until other threads have come, and how it goes on as it was before.
static inline void grugen_wait(void)
{
    const int32_t before = grugen_clock_here->entered;
    grugen_enter(grugen_clock_here->count - 2);
    grugen_clock_here->before = before;
}

static inline void grugen_go_on(void) { grugen_enter(grugen_clock_here->before); }

// Products of so many multiplications are each timed.
enum { GRUGEN_LONG = 32 * 1024 };

// A stage's products belong to the component before the one that was entered, its epilogue. Short
// ones alternate with it too fast for each to be timed: one in a random number stands for that
// many, so that the sum is right in the mean. Returns when a product began that is timed, else 0.
static inline int64_t grugen_products_begin(const int64_t multiplications)
{
    grugen_clock *const clock = grugen_clock_here;
    clock->weight = 1;
    if (multiplications < GRUGEN_LONG) {
        clock->left -= 1;
        if (clock->left > 0) { return 0; }
        clock->weight = clock->gap;
        clock->lot = clock->lot * 6364136223846793005u + 1442695040888963407u;
        clock->gap = clock->left = 1 + (int64_t)(clock->lot >> 61);
    }
    return grugen_ticks();
}

static inline void grugen_products_end(const int64_t begun)
{
    if (begun == 0) { return; }
    grugen_clock *const clock = grugen_clock_here;
    const int64_t took = grugen_ticks() - begun - clock->cost;
    const int64_t spent = took > 0 ? took * clock->weight : 0;
    clock->spent[clock->entered] -= spent;
    clock->spent[clock->entered - 1] += spent;
}

static inline void grugen_start_clock(
    grugen_clock *clock, int64_t *spent, int64_t *total, int32_t count)
{
    *clock = (grugen_clock){.spent = spent, .total = total, .count = count, .cost = INT64_MAX};
    for (int32_t i = 0; i < count; ++i) { spent[i] = 0; }
    for (int i = 0; i < 8; ++i) {
        const int64_t start = grugen_ticks();
        const int64_t cost = grugen_ticks() - start;
        if (cost < clock->cost) { clock->cost = cost; }
    }
    clock->entered = count - 1;
    clock->gap = clock->left = 1;
    clock->since = grugen_ticks();
    clock->lot = (uint64_t)clock->since;
    grugen_clock_here = clock;
}

// What this thread spent goes to the sums of all threads.
static inline void grugen_stop(void)
{
    grugen_clock *const clock = grugen_clock_here;
    grugen_enter(clock->count - 1);
    for (int32_t i = 0; i < clock->count; ++i) {
        int64_t spent = clock->spent[i];
        // products that were guessed too long; the first component is no epilogue
        if (i + 1 < clock->count && clock->spent[i + 1] < 0) {
            spent += clock->spent[i + 1];
            clock->spent[i + 1] = 0;
        }
        __atomic_fetch_add(&clock->total[i], spent, __ATOMIC_RELAXED);
    }
    grugen_clock_here = NULL;
}

// The thread's clock runs from here to `grugen_stop`, first for the rest.
#define GRUGEN_START(symbol) \
    int64_t grugen_spent[sizeof(symbol##_total) / sizeof(int64_t)]; \
    grugen_clock grugen_clock_own; \
    grugen_start_clock(&grugen_clock_own, grugen_spent, symbol##_total, symbol##_components())

// The names of a kernel's components, by number.
#define GRUGEN_COMPONENTS(symbol, ...) \
    int32_t symbol##_components(void); \
    const char *symbol##_component_name(int32_t i); \
    void symbol##_component_seconds(double *seconds, int32_t reset); \
    static const char *const symbol##_names[] = {__VA_ARGS__}; \
    static int64_t symbol##_total[sizeof(symbol##_names) / sizeof(char *)]; \
    int32_t symbol##_components(void) \
    { \
        return (int32_t)(sizeof(symbol##_names) / sizeof(char *)); \
    } \
    const char *symbol##_component_name(const int32_t i) { return symbol##_names[i]; } \
    void symbol##_component_seconds(double *const seconds, const int32_t reset) \
    { \
        const double tick = grugen_tick_seconds(); \
        for (int32_t i = 0; i < symbol##_components(); ++i) { \
            seconds[i] = tick * (double)symbol##_total[i]; \
            if (reset) { symbol##_total[i] = 0; } \
        } \
    } \
    typedef struct grugen_clock grugen_clock // so that a semicolon ends it

#else

static inline void grugen_enter(const int32_t next) { (void)next; }
static inline void grugen_wait(void) {}
static inline void grugen_go_on(void) {}
static inline int64_t grugen_products_begin(const int64_t multiplications)
{
    (void)multiplications;
    return 0;
}
static inline void grugen_products_end(const int64_t begun) { (void)begun; }
static inline void grugen_stop(void) {}

#define GRUGEN_START(symbol) (void)0
#define GRUGEN_COMPONENTS(symbol, ...) struct grugen_clock

#endif
