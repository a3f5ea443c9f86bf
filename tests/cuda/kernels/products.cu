// Products over all rows on their own: as generated kernels use them, with sizes that tests choose.
#include <cuda_runtime.h>
#include <stdint.h>

#ifndef GRUGEN_REAL
#define GRUGEN_REAL float
#endif
#ifndef GRUGEN_PRODUCTS
#define GRUGEN_PRODUCTS GRUGEN_IEEE
#endif

#ifdef BFLOAT16
#include "grugen_bfloat16.cuh"
#define ARITHMETIC GRUGEN_BFLOAT16
#else
#define ARITHMETIC GRUGEN_PRODUCTS
#endif
#include "grugen_stored.cuh"
#include "grugen_memory.cuh"
#include "grugen_rows.cuh"
#include "grugen_team.cuh"
#include "grugen_panel.cuh"
#include "grugen_product.cuh"
#include "grugen_tiling.cuh"
#include "grugen_block_product.cuh"
#include "grugen_total.cuh"
#include "grugen_outer.cuh"

#define EXPORTED extern "C" __attribute__((visibility("default")))

// `x` times `w` and `v` times `u`, where the latter exist: sums (T * B, matrices, units).
struct product_call {
    int64_t T, B;
    const int64_t *lengths;
    int units;
    int x_depth, v_depth;
    const GRUGEN_STORED *x, *v; // (T * B, depth)
    const GRUGEN_STORED *w, *u; // (matrices, units, depth)
    GRUGEN_STORED *packed_w, *packed_u;
    GRUGEN_REAL *sums;
};

template <int W, int U>
static __global__ void __launch_bounds__(GRUGEN_THREADS)
    pack_kernel(const __grid_constant__ product_call call)
{
    grugen_launched turn = grugen_whole_launch();
    for (int m = 0; m < W; ++m) {
        const GRUGEN_STORED *const matrix = call.w + (int64_t)m * call.units * call.x_depth;
        grugen_pack(
            &turn, call.packed_w, call.x_depth, m, W, matrix, call.units, call.x_depth, 1);
    }
    for (int m = 0; m < U; ++m) {
        const GRUGEN_STORED *const matrix = call.u + (int64_t)m * call.units * call.v_depth;
        grugen_pack(
            &turn, call.packed_u, call.v_depth, m, U, matrix, call.units, call.v_depth, 1);
    }
}

template <class Shape, int W, int U>
static __global__ void __launch_bounds__(Shape::threads, grugen_sums<Shape>::blocks)
    product_kernel(const __grid_constant__ product_call call)
{
    const grugen_call_rows rows = {(int)call.T, (int)call.B, call.lengths};
    extern __shared__ __align__(128) unsigned char grugen_smem[];
    auto &shared = *reinterpret_cast<grugen_block_memory<Shape> *>(grugen_smem);
    const grugen_block_tile<Shape> at(call.units);
    grugen_sums<Shape> sums;
    grugen_multiply_tile<0, W>(
        at, shared, rows, grugen_panel_at(call.packed_w, W, call.units), call.x_depth,
        [&](const grugen_here &here) {
            return static_cast<const GRUGEN_STORED *>(call.x + (int64_t)here.row * call.x_depth);
        },
        sums);
    if constexpr (U > 0) {
        grugen_multiply_tile<W, U>(
            at, shared, rows, grugen_panel_at(call.packed_u, U, call.units), call.v_depth,
            [&](const grugen_here &here) {
                return static_cast<const GRUGEN_STORED *>(
                    call.v + (int64_t)here.row * call.v_depth);
            },
            sums);
    }
    for (int slice = 0; slice < Shape::slices; ++slice) {
        grugen_spread_sums(slice, sums, shared);
        for (int item = (int)threadIdx.x; item < Shape::items; item += Shape::threads) {
            const int j = at.unit + item % Shape::units;
            const grugen_here here =
                rows.locate(at.row + slice * Shape::slice_rows + item / Shape::units);
            if (j >= call.units || !here.alive) { continue; }
            for (int s = 0; s < Shape::sums; ++s) {
                call.sums[((int64_t)here.row * Shape::sums + s) * call.units + j] =
                    shared.elements[Shape::place(s, item)];
            }
        }
    }
}

// `processors` is what the choice of a shape believes in: of one, all tiles are large; below zero there
// are so many that large ones would leave half of them idle, just so. None only packs.
template <int W, int U>
static int run_product(const product_call *call, int processors, cudaStream_t stream)
{
    if (processors == 0) {
        const grugen_launch launch = {dim3(64), GRUGEN_THREADS, 0, false, stream};
        return grugen_start(pack_kernel<W, U>, launch, *call);
    }
    using Large = grugen_large<W + U, ARITHMETIC>;
    const int64_t rows = call->T * call->B;
    const int64_t idle = 2 * grugen_count_tiles<Large>(rows, call->units);
    const grugen_device device = {processors < 0 ? (int)idle : processors, 0, {}};
    return grugen_start_tiles<W + U, ARITHMETIC>(
        product_kernel<Large, W, U>, product_kernel<grugen_middle<W + U, ARITHMETIC>, W, U>,
        product_kernel<grugen_small<W + U, ARITHMETIC>, W, U>, rows, call->units, device, stream,
        *call);
}

EXPORTED int product(const product_call *call, int w, int u, int processors, void *stream)
{
    cudaStream_t on = static_cast<cudaStream_t>(stream);
    switch (100 * w + u) {
    case 100: return run_product<1, 0>(call, processors, on);
    case 201: return run_product<2, 1>(call, processors, on);
    case 300: return run_product<3, 0>(call, processors, on);
#ifndef FEW
    case 200: return run_product<2, 0>(call, processors, on);
    case 302: return run_product<3, 2>(call, processors, on);
    case 903: return run_product<9, 3>(call, processors, on);
    case 1010: return run_product<10, 10>(call, processors, on);
#endif
    default: return -1;
    }
}

// Two matrices summed up over all rows.
struct outer_call {
    int64_t T, B;
    const int64_t *lengths;
    grugen_outer members[2];
};

EXPORTED int64_t outer_parts(const outer_call *call)
{
    const grugen_list<grugen_outer, 2> list = {{call->members[0], call->members[1]}};
    return grugen_outer_parts(list, call->T * call->B);
}

EXPORTED int outer(const outer_call *call, GRUGEN_REAL *parts, void *stream)
{
    const grugen_list<grugen_outer, 2> list = {{call->members[0], call->members[1]}};
    const grugen_call_rows rows = {(int)call->T, (int)call->B, call->lengths};
    return grugen_outer_totals(list, rows, parts, static_cast<cudaStream_t>(stream));
}
