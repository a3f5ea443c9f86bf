// Threads that share the units of a tile, because there are fewer sequences than threads.
#pragma once

#include <stdint.h>

// Member `member` of `size`; alone in most plans.
typedef struct grugen_team {
    int64_t member;
    int64_t size;
} grugen_team;

// This member's part of `count` things.
static inline void grugen_team_share(
    const grugen_team *team, int64_t count, int64_t *first, int64_t *last)
{
    *first = count * team->member / team->size;
    *last = count * (team->member + 1) / team->size;
}
