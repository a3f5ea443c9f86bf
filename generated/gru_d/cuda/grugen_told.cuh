// How a loop is cut, in words, for whoever asks why a call takes as long as it does.
#pragma once

#include <stdint.h>

#include <cstdio>

#include "grugen_tiling.cuh"

// Text that is as long as there is room for, and ends with a zero.
struct grugen_text {
    char *to;
    int64_t room;
};

// Append a line about a loop.
static inline void
grugen_tell_cut(const char *loop, const grugen_tiling &tiling, grugen_text *const text)
{
    static const char *const words[] = {"", "block", "grid", "steps", "cluster"};
    const char *const posts = tiling.posts ? " that post" : "";
    // elements of bfloat16 are posted for nothing else
    const bool on_tensor_cores = tiling.posts && GRUGEN_CONVERTS;
    const char *const where = on_tensor_cores ? "in registers for tensor cores"
        : tiling.held > 0                     ? "in registers"
        : tiling.keeps                        ? "in shared memory"
                                              : "read from memory";
    int written = 0;
    if (text->room <= 0) { return; }
    if (tiling.regime == GRUGEN_STEPS) {
        written = snprintf(
            text->to, (size_t)text->room, "%s: steps, a launch for each part of each step\n", loop);
    } else {
        written = snprintf(
            text->to, (size_t)text->room,
            "%s: %s, %lld x %lld blocks%s, %lld sequences a block, matrices %s, %lld bytes of shared "
            "memory, about %.0f cycles a step\n",
            loop, words[tiling.regime], (long long)tiling.groups, (long long)tiling.parts,
            posts,
            (long long)tiling.sequences, where, (long long)tiling.shared, tiling.cycles);
    }
    if (written < 0) { return; }
    const int64_t taken = written < text->room ? written : text->room - 1;
    text->to += taken;
    text->room -= taken;
}
