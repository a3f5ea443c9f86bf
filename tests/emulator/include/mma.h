// nvcuda::wmma for half, bf16 and tf32 with accumulators of float. Which lane holds which element
// is not specified in CUDA; here it is a fixed scramble, so that code that relies on a map fails.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <type_traits>

#include "cuda_runtime.h"

namespace nvcuda::wmma {

struct row_major;
struct col_major;
struct matrix_a;
struct matrix_b;
struct accumulator;
namespace precision {
struct tf32;
}
enum layout_t { mem_row_major, mem_col_major };

inline float __float_to_tf32(float value) {
    return __uint_as_float(emulator::round_tf32(value));
}

namespace detail {

template <class T>
struct Element {
    using Stored = T;
    static float multiplied(T value) { return static_cast<float>(value); }
};
template <>
struct Element<precision::tf32> {
    using Stored = float;
    static float multiplied(float value) { return emulator::as_tf32(__float_as_uint(value)); }
};

template <class Use, int M, int N, int K>
constexpr int rows = std::is_same_v<Use, matrix_b> ? K : M;
template <class Use, int M, int N, int K>
constexpr int columns = std::is_same_v<Use, matrix_a> ? K : N;
// the hardware's fragments of half hold each element twice
template <class Use, class T>
constexpr int copies = std::is_same_v<T, __half> && !std::is_same_v<Use, accumulator> ? 2 : 1;

/// The element in place `index` of `lane`: for each index the lanes' elements are all different.
inline int element_of(int lane, int index) {
    return index * 32 + (lane * 5 + index * 7) % 32;
}

}  // namespace detail

template <class Use, int M, int N, int K, class T, class Layout = void>
struct fragment {
    using element_type = typename detail::Element<T>::Stored;
    static constexpr int rows = detail::rows<Use, M, N, K>;
    static constexpr int columns = detail::columns<Use, M, N, K>;
    static constexpr int distinct = rows * columns / 32;
    static constexpr int num_elements = distinct * detail::copies<Use, T>;
    element_type x[num_elements];
};

template <class Fragment>
void fill_fragment(Fragment& fragment, typename Fragment::element_type value) {
    for (auto& element : fragment.x) element = value;
}

namespace detail {

struct Place {
    const void* pointer;
    unsigned stride;
    emulator::Site site;
};
inline void all_agree(void** lanes, unsigned) {
    for (int lane = 0; lane < 32; ++lane) {
        const auto* first = static_cast<Place*>(lanes[0]);
        const auto* mine = static_cast<Place*>(lanes[lane]);
        if (!first || !mine || mine->pointer != first->pointer || mine->stride != first->stride) {
            const auto* known = mine ? mine : first;
            emulator::fail_at(known ? known->site : EMULATOR_HERE,
                              "wmma load or store: the lanes of the warp disagree on pointer or "
                              "stride, or one has exited");
        }
    }
}

/// Calls move(element of the fragment, element of memory) for all that this lane holds.
template <class Fragment, class P, class Move>
EMULATOR_INLINE void walk(Fragment& fragment, P* pointer, unsigned stride, bool by_rows,
                          const char* name, emulator::Site site, Move move) {
    Place place{pointer, stride, site};
    emulator::warp_together(~0u, &place, all_agree, name, site);
    if (reinterpret_cast<uintptr_t>(pointer) % 32) {
        emulator::fail_at(site, "%s: the pointer is not aligned to 32 bytes", name);
    }
    if (stride * sizeof(P) % 16) {
        emulator::fail_at(site, "%s: the stride %u is no multiple of 16 bytes", name, stride);
    }
    const int lane = static_cast<int>(emulator::lane_number());
    for (int i = 0; i < Fragment::num_elements; ++i) {
        const int element = element_of(lane, i % Fragment::distinct);
        const unsigned row = element / Fragment::columns;
        const unsigned column = element % Fragment::columns;
        move(fragment.x[i], pointer[by_rows ? row * stride + column : column * stride + row]);
    }
}
struct Load {
    template <class T, class P>
    EMULATOR_INLINE void operator()(T& element, const P& memory) const {
        element = memory;
    }
};
struct Store {
    template <class T, class P>
    EMULATOR_INLINE void operator()(const T& element, P& memory) const {
        memory = element;
    }
};

}  // namespace detail

template <class Use, int M, int N, int K, class T, class Layout, class P>
EMULATOR_INLINE void load_matrix_sync(fragment<Use, M, N, K, T, Layout>& loaded, const P* pointer,
                                      unsigned stride, emulator::Site site = EMULATOR_HERE) {
    constexpr bool by_rows = std::is_same_v<Layout, row_major>;
    detail::walk(loaded, pointer, stride, by_rows, "wmma::load_matrix_sync", site, detail::Load());
}
template <int M, int N, int K, class T>
EMULATOR_INLINE void load_matrix_sync(fragment<accumulator, M, N, K, T>& loaded, const T* pointer,
                                      unsigned stride, layout_t layout,
                                      emulator::Site site = EMULATOR_HERE) {
    const bool by_rows = layout == mem_row_major;
    detail::walk(loaded, pointer, stride, by_rows, "wmma::load_matrix_sync", site, detail::Load());
}
template <int M, int N, int K, class T>
EMULATOR_INLINE void store_matrix_sync(T* pointer, const fragment<accumulator, M, N, K, T>& stored,
                                       unsigned stride, layout_t layout,
                                       emulator::Site site = EMULATOR_HERE) {
    const bool by_rows = layout == mem_row_major;
    detail::walk(stored, pointer, stride, by_rows, "wmma::store_matrix_sync", site,
                 detail::Store());
    __syncwarp(~0u, site);
}

namespace detail {

template <class A, class B, class D>
struct Product {
    const A* left;
    const B* right;
    const D* before;
    D* after;
    emulator::Site site;
};

template <int M, int N, int K, class T, class A, class B, class D>
void multiply(void** lanes, unsigned) {
    static float left[M * K], right[K * N], total[M * N];
    for (int lane = 0; lane < 32; ++lane) {
        auto* mine = static_cast<Product<A, B, D>*>(lanes[lane]);
        if (!mine) emulator::fail_at(EMULATOR_HERE, "wmma::mma_sync: a lane has exited");
        for (int i = 0; i < A::distinct; ++i)
            left[element_of(lane, i)] = Element<T>::multiplied(mine->left->x[i]);
        for (int i = 0; i < B::distinct; ++i)
            right[element_of(lane, i)] = Element<T>::multiplied(mine->right->x[i]);
        for (int i = 0; i < D::distinct; ++i)
            total[element_of(lane, i)] = static_cast<float>(mine->before->x[i]);
    }
    for (int m = 0; m < M; ++m)
        for (int k = 0; k < K; ++k)
            for (int n = 0; n < N; ++n) total[m * N + n] += left[m * K + k] * right[k * N + n];
    for (int lane = 0; lane < 32; ++lane) {
        auto* mine = static_cast<Product<A, B, D>*>(lanes[lane]);
        for (int i = 0; i < D::distinct; ++i)
            mine->after->x[i] = typename D::element_type(total[element_of(lane, i)]);
    }
}

}  // namespace detail

template <int M, int N, int K, class T, class LayoutA, class LayoutB, class TD>
void mma_sync(fragment<accumulator, M, N, K, TD>& after,
              const fragment<matrix_a, M, N, K, T, LayoutA>& left,
              const fragment<matrix_b, M, N, K, T, LayoutB>& right,
              const fragment<accumulator, M, N, K, TD>& before,
              emulator::Site site = EMULATOR_HERE) {
    using A = fragment<matrix_a, M, N, K, T, LayoutA>;
    using B = fragment<matrix_b, M, N, K, T, LayoutB>;
    using D = fragment<accumulator, M, N, K, TD>;
    detail::Product<A, B, D> mine{&left, &right, &before, &after, site};
    emulator::warp_together(~0u, &mine, detail::multiply<M, N, K, T, A, B, D>, "wmma::mma_sync",
                            site);
}

}  // namespace nvcuda::wmma
