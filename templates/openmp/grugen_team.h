// Threads that share the units of a tile, because there are fewer sequences than threads. They
// meet after every loop over units, at a barrier that costs two cache lines' travel.
#pragma once

#include <limits.h>
#include <sched.h>
#include <stdint.h>

#include "grugen_profile.h"
#include "grugen_vector.h"

#if defined(__linux__)
#include <sys/syscall.h>
long syscall(long number, ...); // which strict C hides
#endif

// Where a team meets: who has arrived, how often all have, and who sleeps until then. Each on a
// cache line of its own.
typedef struct grugen_meeting {
    int64_t arrived;
    int64_t unused[15];
    int32_t met;
    int32_t unused_too[31];
    int32_t asleep;
    int32_t unused_as_well[31];
} grugen_meeting;

// Member `member` of `size`; alone in most plans.
typedef struct grugen_team {
    int64_t member;
    int64_t size;
    grugen_meeting *meeting;
} grugen_team;

// How often a member looks before it sleeps: for much longer than members on processors of their
// own differ, about 100 microseconds in a step, and more where their shares are large. With a quarter
// of that, one that was late once made the other sleep, waking which took longer still, step after
// step: a loop of 100 steps took 4 to 7 milliseconds in place of 2.7. With ten times as much, calls
// beside a process that never rests take three times as long.
enum { GRUGEN_PATIENCE = 2000, GRUGEN_LONG_PATIENCE = 5000 };

// Until the team has met more than `met` times. A member that sleeps leaves its processor to who
// needs it, and has it back at once when it is woken: others that never rest have had their share.
static inline void grugen_sleep(grugen_meeting *meeting, int32_t met)
{
#if defined(__linux__)
    __atomic_add_fetch(&meeting->asleep, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&meeting->met, __ATOMIC_SEQ_CST) == met) {
        syscall(SYS_futex, &meeting->met, 128 /* wait, in this process */, met, NULL, NULL, 0);
    }
    __atomic_sub_fetch(&meeting->asleep, 1, __ATOMIC_RELAXED);
#else
    while (__atomic_load_n(&meeting->met, __ATOMIC_ACQUIRE) == met) { sched_yield(); }
#endif
}

static inline void grugen_wake(grugen_meeting *meeting)
{
#if defined(__linux__)
    if (__atomic_load_n(&meeting->asleep, __ATOMIC_SEQ_CST) > 0) {
        syscall(SYS_futex, &meeting->met, 129 /* wake, in this process */, INT_MAX, NULL, NULL, 0);
    }
#else
    (void)meeting;
#endif
}

// Go on when all members have come here; what each wrote before, all see after. Who waits looks
// `patience` times before it sleeps.
static inline void grugen_meet_within(const grugen_team *team, const int patience)
{
    if (team->size < 2) { return; }
    grugen_meeting *const meeting = team->meeting;
    const int32_t met = __atomic_load_n(&meeting->met, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&meeting->arrived, 1, __ATOMIC_ACQ_REL) == team->size) {
        __atomic_store_n(&meeting->arrived, 0, __ATOMIC_RELAXED);
        // only as a wrap-around may the count leave the numbers there are
        __atomic_store_n(&meeting->met, (int32_t)((uint32_t)met + 1u), __ATOMIC_SEQ_CST);
        grugen_wake(meeting);
        return;
    }
    grugen_wait();
    int looks = 0;
    while (__atomic_load_n(&meeting->met, __ATOMIC_ACQUIRE) == met) {
#if defined(__SSE2__)
        _mm_pause();
#endif
        if (++looks > patience) { grugen_sleep(meeting, met); }
    }
    grugen_go_on();
}

static inline void grugen_meet(const grugen_team *team)
{
    grugen_meet_within(team, GRUGEN_PATIENCE);
}

// The same between large shares of work. OpenMP's own barrier looks for so long that beside other
// processes a member that waits takes the processor from the one that it waits for.
static inline void grugen_gather(const grugen_team *team)
{
    grugen_meet_within(team, GRUGEN_LONG_PATIENCE);
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
