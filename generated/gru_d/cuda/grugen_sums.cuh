// The sums of a tile in the registers of its threads.
#pragma once

#include "grugen_shape.cuh"

// Elements that are read or written at once.
template <int COUNT>
struct alignas(COUNT * sizeof(GRUGEN_REAL)) grugen_some {
    GRUGEN_REAL of[COUNT];
};

// Sums of every row and unit of a thread; each header has those of one kind of shape.
template <class Shape>
struct grugen_sums;

// As IEEE arithmetic forms them: every sum in the order of the depth.
template <int SUMS, int OWN_ROWS, int OWN_UNITS, int SIDE>
struct grugen_sums<grugen_shape<SUMS, OWN_ROWS, OWN_UNITS, SIDE>> {
    using Shape = grugen_shape<SUMS, OWN_ROWS, OWN_UNITS, SIDE>;
    static constexpr int blocks = 512 / Shape::threads; // of a processor, that have the registers
    // a thread's units lie in groups: its neighbours' groups come before its own next one
    static constexpr int group = Shape::own_units < GRUGEN_WIDE ? Shape::own_units : GRUGEN_WIDE;
    static constexpr int row_group = Shape::own_rows < GRUGEN_WIDE ? Shape::own_rows : GRUGEN_WIDE;

    GRUGEN_REAL of[Shape::own_rows][Shape::sums][Shape::own_units] = {};

    __device__ static int own_row() { return (int)threadIdx.x / Shape::side * Shape::own_rows; }

    __device__ static int own_unit(int u)
    {
        return u * Shape::side + (int)threadIdx.x % Shape::side * group;
    }

    // Add the products of a chunk: of MATRICES matrices, to sums FIRST...
    template <int FIRST, int MATRICES>
    __device__ __forceinline__ void add(const GRUGEN_REAL *xs, const GRUGEN_REAL *weights)
    {
#pragma unroll
        for (int k = 0; k < GRUGEN_CHUNK; ++k) {
            grugen_some<row_group> x[Shape::own_rows / row_group];
#pragma unroll
            for (int r = 0; r < Shape::own_rows / row_group; ++r) {
                x[r] = reinterpret_cast<const grugen_some<row_group> *>(
                    xs + k * Shape::row_stride + own_row())[r];
            }
#pragma unroll
            for (int m = 0; m < MATRICES; ++m) {
#pragma unroll
                for (int u = 0; u < Shape::own_units; u += group) {
                    const auto w = *reinterpret_cast<const grugen_some<group> *>(
                        weights + k * Shape::unit_stride + m * Shape::units + own_unit(u));
#pragma unroll
                    for (int r = 0; r < Shape::own_rows; ++r) {
#pragma unroll
                        for (int e = 0; e < group; ++e) {
                            of[r][FIRST + m][u + e] += w.of[e] * x[r / row_group].of[r % row_group];
                        }
                    }
                }
            }
        }
    }

    // Put the sums of the rows of a slice where every thread finds them: [sum][row][unit].
    __device__ __forceinline__ void put(int slice, GRUGEN_REAL *elements) const
    {
        const int first = own_row() - slice * Shape::slice_rows;
        if (first < 0 || first >= Shape::slice_rows) { return; }
#pragma unroll
        for (int r = 0; r < Shape::own_rows; ++r) {
#pragma unroll
            for (int s = 0; s < Shape::sums; ++s) {
#pragma unroll
                for (int u = 0; u < Shape::own_units; u += group) {
                    grugen_some<group> some;
#pragma unroll
                    for (int e = 0; e < group; ++e) { some.of[e] = of[r][s][u + e]; }
                    *reinterpret_cast<grugen_some<group> *>(
                        elements + Shape::place(s, first + r, own_unit(u))) = some;
                }
            }
        }
    }
};
