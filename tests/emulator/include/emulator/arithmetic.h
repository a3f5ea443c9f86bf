// Numbers: bits, roundings, and CUDA's fast functions, which are exact ones here.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

using std::max;
using std::min;

namespace emulator {
template <class To, class From>
To same_bits(From value) {
    static_assert(sizeof(To) == sizeof(From));
    To result;
    std::memcpy(&result, &value, sizeof(To));
    return result;
}
}  // namespace emulator

inline float __int_as_float(int value) { return emulator::same_bits<float>(value); }
inline float __uint_as_float(unsigned value) { return emulator::same_bits<float>(value); }
inline int __float_as_int(float value) { return emulator::same_bits<int>(value); }
inline unsigned __float_as_uint(float value) { return emulator::same_bits<unsigned>(value); }
inline double __longlong_as_double(long long value) { return emulator::same_bits<double>(value); }
inline long long __double_as_longlong(double value) {
    return emulator::same_bits<long long>(value);
}

inline int __popc(unsigned value) { return __builtin_popcount(value); }
inline int __clz(int value) { return value ? __builtin_clz(static_cast<unsigned>(value)) : 32; }
inline int __ffs(int value) { return __builtin_ffs(value); }

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __saturatef(float a) { return a > 0 ? std::min(a, 1.0f) : 0.0f; }
inline float rsqrtf(float a) { return 1.0f / sqrtf(a); }
inline double rsqrt(double a) { return 1.0 / sqrt(a); }
inline float __int2float_rn(int a) { return static_cast<float>(a); }
inline int __float2int_rn(float a) { return static_cast<int>(nearbyintf(a)); }

// the C library's headers declare these names without defining them
extern "C" {
inline float __expf(float a) noexcept { return expf(a); }
inline float __exp10f(float a) noexcept { return powf(10.0f, a); }
inline float __logf(float a) noexcept { return logf(a); }
inline float __log2f(float a) noexcept { return log2f(a); }
inline float __sinf(float a) noexcept { return sinf(a); }
inline float __cosf(float a) noexcept { return cosf(a); }
inline float __tanhf(float a) noexcept { return tanhf(a); }
inline float __powf(float a, float b) noexcept { return powf(a, b); }
}

// a clock that only counts: time means nothing here, and the same seed must be the same run
inline long long clock64() {
    static long long ticks;
    return ticks += 100;
}
