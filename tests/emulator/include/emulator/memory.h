// Loads and stores that name a cache: here all are plain ones, seen by the race detector as such.
#pragma once

#include <cstring>
#include <type_traits>

#include "interface.h"

#define EMULATOR_LOAD(name)                    \
    template <class T>                         \
    EMULATOR_INLINE T name(const T* pointer) { \
        return *pointer;                       \
    }
EMULATOR_LOAD(__ldg)
EMULATOR_LOAD(__ldca)
EMULATOR_LOAD(__ldcg)
EMULATOR_LOAD(__ldcs)
EMULATOR_LOAD(__ldcv)
EMULATOR_LOAD(__ldlu)
#undef EMULATOR_LOAD

#define EMULATOR_STORE(name)                                             \
    template <class T>                                                   \
    EMULATOR_INLINE void name(T* pointer, std::common_type_t<T> value) { \
        *pointer = value;                                                \
    }
EMULATOR_STORE(__stcg)
EMULATOR_STORE(__stcs)
EMULATOR_STORE(__stwb)
EMULATOR_STORE(__stwt)
#undef EMULATOR_STORE

inline size_t __cvta_generic_to_shared(const void* pointer) {
    return reinterpret_cast<size_t>(pointer);
}
