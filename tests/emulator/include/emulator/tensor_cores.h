// What a tensor core does with matrices that lie in the registers of a warp's lanes, as PTX says.
#pragma once

#include <cstring>

#include "interface.h"

namespace emulator {

/// To the nearest number of 10 bits behind the point, ties away from zero: cvt.rna.tf32.f32.
inline unsigned round_tf32(float value) {
    unsigned bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7f800000u) == 0x7f800000u) return bits;
    return (bits + 0x1000u) & 0xffffe000u;
}
/// The number that a tensor core takes: it does not look at the 13 low bits.
inline float as_tf32(unsigned bits) {
    bits &= 0xffffe000u;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/// The number whose upper half these bits are.
inline float as_bfloat16(unsigned half) {
    const unsigned bits = half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

struct Product {
    float* sums;
    const unsigned* left;
    const unsigned* right;
    const float* before;
    Site site;
};
/// Sums of 16 x 8 over DEPTH, from factors that lie in the registers of lanes. A lane has PAIRED
/// elements of the depth side by side, and `number_of(bits, i)` is one of those in a register.
template <int DEPTH, int PAIRED, class NumberOf>
void multiply_of_lanes(void** lanes, NumberOf number_of) {
    static float left[16][DEPTH], right[8][DEPTH];
    for (int lane = 0; lane < 32; ++lane) {
        const auto* mine = static_cast<Product*>(lanes[lane]);
        if (!mine) fail_at(EMULATOR_HERE, "mma.sync: a lane has exited");
        const int group = lane / 4, place = lane % 4 * PAIRED;
        for (int i = 0; i < PAIRED; ++i) {
            for (int n = 0; n < 4; ++n) {
                left[group + n % 2 * 8][place + n / 2 * DEPTH / 2 + i] = number_of(mine->left[n], i);
            }
            for (int n = 0; n < 2; ++n) {
                right[group][place + n * DEPTH / 2 + i] = number_of(mine->right[n], i);
            }
        }
    }
    for (int lane = 0; lane < 32; ++lane) {
        const auto* mine = static_cast<Product*>(lanes[lane]);
        for (int i = 0; i < 4; ++i) {
            const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
            float sum = mine->before[i];
            for (int k = 0; k < DEPTH; ++k) sum += left[row][k] * right[column][k];
            mine->sums[i] = sum;
        }
    }
}
inline void multiply_tf32_of_lanes(void** lanes, unsigned) {
    multiply_of_lanes<8, 1>(lanes, [](unsigned bits, int) { return as_tf32(bits); });
}
inline void multiply_bfloat16_of_lanes(void** lanes, unsigned) {
    multiply_of_lanes<16, 2>(lanes, [](unsigned bits, int i) {
        return as_bfloat16(i ? bits >> 16 : bits & 0xffffu);
    });
}
/// mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32; the sums may be those before.
inline void multiply_tf32(float (&sums)[4], const unsigned (&left)[4], const unsigned (&right)[2],
                          const float (&before)[4], Site site = EMULATOR_HERE) {
    Product mine{sums, left, right, before, site};
    warp_together(~0u, &mine, multiply_tf32_of_lanes, "mma.sync", site);
}
/// mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32; the first of two numbers is the lower half.
inline void multiply_bfloat16(float (&sums)[4], const unsigned (&left)[4],
                              const unsigned (&right)[2], const float (&before)[4],
                              Site site = EMULATOR_HERE) {
    Product mine{sums, left, right, before, site};
    warp_together(~0u, &mine, multiply_bfloat16_of_lanes, "mma.sync", site);
}

/// What a lane has read for ldmatrix, and where what it gets goes.
struct Lines {
    unsigned* words;
    unsigned own[4];
    bool transposed;
    Site site;
};
/// Of each of four matrices a lane gets two elements of a line; or, transposed, of a column.
inline void load_of_lanes(void** lanes, unsigned) {
    for (int lane = 0; lane < 32; ++lane) {
        if (!lanes[lane]) fail_at(EMULATOR_HERE, "ldmatrix: a lane has exited");
    }
    const auto element = [&](int matrix, int line, int column) {
        const auto* from = static_cast<const Lines*>(lanes[8 * matrix + line]);
        return column % 2 ? from->own[column / 2] >> 16 : from->own[column / 2] & 0xffffu;
    };
    for (int lane = 0; lane < 32; ++lane) {
        const auto* mine = static_cast<Lines*>(lanes[lane]);
        const int across = lane / 4, pair = lane % 4 * 2;
        for (int m = 0; m < 4; ++m) {
            mine->words[m] = mine->transposed
                                 ? element(m, pair, across) | element(m, pair + 1, across) << 16
                                 : element(m, across, pair) | element(m, across, pair + 1) << 16;
        }
    }
}
/// ldmatrix.sync.aligned.m8n8.x4.shared.b16, with .trans if `transposed`: lane 8 m + i says where
/// line i of matrix m is, eight elements of 16 bits.
inline void load_matrices(unsigned (&words)[4], const void* line, bool transposed,
                          Site site = EMULATOR_HERE) {
    if (reinterpret_cast<uintptr_t>(line) % 16 != 0) {
        fail_at(site, "ldmatrix: a line is not aligned to 16 bytes");
    }
    Lines mine{words, {}, transposed, site};
    // each lane reads its own line, as far as races are concerned, whatever was written there
    typedef unsigned __attribute__((may_alias)) word;
    const auto* from = static_cast<const word*>(line);
    for (int i = 0; i < 4; ++i) mine.own[i] = from[i];
    warp_together(~0u, &mine, load_of_lanes, "ldmatrix", site);
}

}  // namespace emulator
