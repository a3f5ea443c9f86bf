// Several levels of instructions in one library: every object's names end with its level, and a
// call under the plain name goes to the best level that CPU and system have.
#pragma once

// `name_v3` in the object that is compiled with -DGRUGEN_LEVEL=_v3
#define GRUGEN_AT_LEVEL(name) GRUGEN_JOIN(name, GRUGEN_LEVEL)
#define GRUGEN_JOIN(name, level) GRUGEN_PASTE(name, level)
#define GRUGEN_PASTE(name, level) name##level

// The levels of the x86-64 ABI. What is not asked for came with every CPU that has the rest.
static inline int grugen_level(void)
{
#if defined(__x86_64__)
    const int has_v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
        && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    const int has_v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vl");
    return !has_v3 ? 2 : has_v4 ? 4 : 3;
#else
    return 2;
#endif
}

// `result name(const struct *)` in terms of its levels; `give` is `return` or nothing
#define GRUGEN_CHOOSE(result, give, name, struct_type) \
    result name##_v2(const struct_type *call); \
    result name##_v3(const struct_type *call); \
    result name##_v4(const struct_type *call); \
    result name(const struct_type *const call) \
    { \
        switch (grugen_level()) { \
        case 4: give name##_v4(call); break; \
        case 3: give name##_v3(call); break; \
        default: give name##_v2(call); break; \
        } \
    } \
    result name(const struct_type *call) // so that a semicolon ends it
