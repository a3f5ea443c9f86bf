// Several callers in a parallel region of their own, each with a call that runs on one thread:
// their gradients are those of a call outside of any region. Run by test_outer_region.
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "plain_f32.h"

enum { T = 40, B = 30, D = 3, H = 5, CALLERS = 3 };

static float *some(int64_t count)
{
    float *const found = malloc((size_t)count * sizeof(float));
    for (int64_t i = 0; i < count; ++i) { found[i] = sinf((float)i); }
    return found;
}

static void *room(int64_t bytes)
{
    return aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64);
}

// The gradients of W and b of  h' = tanh(W @ x + b) - h.
static void gradients(float *W, float *b)
{
    plain_f32_backward_states_call call = {.T = T, .B = B, .dims = {.D = D, .H = H}, .threads = 1};
    call.input.x = some(T * B * D);
    call.param.W = some(H * D);
    call.param.b = some(H);
    call.output_gradient.y = some(T * B * H);
    call.initial.h = some(B * H);
    call.final.h = some(B * H);
    call.output.x = some(T * B * D);
    call.total.W = W;
    call.total.b = b;
    call.workspace = room(plain_f32_backward_states_workspace(&call));
    plain_f32_backward_states(&call);
}

int main(void)
{
    float W[CALLERS + 1][H * D], b[CALLERS + 1][H];
    gradients(W[CALLERS], b[CALLERS]);
#pragma omp parallel num_threads(CALLERS)
    gradients(W[omp_get_thread_num()], b[omp_get_thread_num()]);
    for (int i = 0; i < CALLERS; ++i) {
        for (int j = 0; j < H * D; ++j) {
            if (!(W[i][j] == W[CALLERS][j])) { return printf("W of caller %d\n", i), 1; }
        }
        for (int j = 0; j < H; ++j) {
            if (!(b[i][j] == b[CALLERS][j])) { return printf("b of caller %d\n", i), 1; }
        }
    }
    puts("same");
    return 0;
}
