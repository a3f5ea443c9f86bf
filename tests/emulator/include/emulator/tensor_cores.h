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

struct Tf32Product {
    float* sums;
    const unsigned* left;
    const unsigned* right;
    const float* before;
    Site site;
};
inline void multiply_tf32_of_lanes(void** lanes, unsigned) {
    static float left[16][8], right[8][8];
    for (int lane = 0; lane < 32; ++lane) {
        const auto* mine = static_cast<Tf32Product*>(lanes[lane]);
        if (!mine) fail_at(EMULATOR_HERE, "mma.sync: a lane has exited");
        const int group = lane / 4, place = lane % 4;
        for (int i = 0; i < 4; ++i) {
            left[group + i % 2 * 8][place + i / 2 * 4] = as_tf32(mine->left[i]);
        }
        for (int i = 0; i < 2; ++i) right[place + i * 4][group] = as_tf32(mine->right[i]);
    }
    for (int lane = 0; lane < 32; ++lane) {
        const auto* mine = static_cast<Tf32Product*>(lanes[lane]);
        for (int i = 0; i < 4; ++i) {
            const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
            float sum = mine->before[i];
            for (int k = 0; k < 8; ++k) sum += left[row][k] * right[k][column];
            mine->sums[i] = sum;
        }
    }
}
/// mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32; the sums may be those before.
inline void multiply_tf32(float (&sums)[4], const unsigned (&left)[4], const unsigned (&right)[2],
                          const float (&before)[4], Site site = EMULATOR_HERE) {
    Tf32Product mine{sums, left, right, before, site};
    warp_together(~0u, &mine, multiply_tf32_of_lanes, "mma.sync", site);
}

}  // namespace emulator
