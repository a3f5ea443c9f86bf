// Threads that share the units of a tile, because there are fewer sequences than threads. They
// meet after every loop over units, at a barrier that costs two cache lines' travel.
#pragma once

#include <sched.h>
#include <stdint.h>

#include "grugen_profile.h"
#include "grugen_vector.h"

// Where a team meets: who has arrived, and how often all have. Each on a cache line of its own.
typedef struct grugen_meeting {
    int64_t arrived;
    int64_t unused[15];
    int64_t met;
    int64_t unused_too[15];
} grugen_meeting;

// Member `member` of `size`; alone in most plans.
typedef struct grugen_team {
    int64_t member;
    int64_t size;
    grugen_meeting *meeting;
} grugen_team;

// How often a member looks before it lets other threads run, who may need its processor to arrive.
enum { GRUGEN_PATIENCE = 200 };

// Go on when all members have come here; what each wrote before, all see after.
static inline void grugen_meet(const grugen_team *team)
{
    if (team->size < 2) { return; }
    grugen_meeting *const meeting = team->meeting;
    const int64_t met = __atomic_load_n(&meeting->met, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&meeting->arrived, 1, __ATOMIC_ACQ_REL) == team->size) {
        __atomic_store_n(&meeting->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&meeting->met, met + 1, __ATOMIC_RELEASE);
        return;
    }
    grugen_wait();
    for (int looks = 0; __atomic_load_n(&meeting->met, __ATOMIC_ACQUIRE) == met; ++looks) {
#if defined(__SSE2__)
        _mm_pause();
#endif
        if (looks > GRUGEN_PATIENCE) { sched_yield(); }
    }
    grugen_go_on();
}

// The same where others may be busy for long: a member sleeps. A team of one waits for nobody, and
// a region of its caller's is none of its business.
static inline void grugen_gather(const grugen_team *team)
{
    if (team->size < 2) { return; }
    grugen_wait();
#pragma omp barrier
    grugen_go_on();
}

// This member's part of `count` things.
static inline void grugen_team_share(
    const grugen_team *team, int64_t count, int64_t *first, int64_t *last)
{
    *first = count * team->member / team->size;
    *last = count * (team->member + 1) / team->size;
}

// Units first..last of this member, from one whole vector to another.
typedef struct grugen_span {
    int64_t first, last;
} grugen_span;

static inline grugen_span grugen_span_of(int64_t units, const grugen_team *team)
{
    grugen_span span;
    grugen_team_share(team, (units + GRUGEN_LANES - 1) / GRUGEN_LANES, &span.first, &span.last);
    span.first *= GRUGEN_LANES;
    span.last = span.last * GRUGEN_LANES < units ? span.last * GRUGEN_LANES : units;
    return span;
}
