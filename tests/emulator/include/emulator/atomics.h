// Atomic functions. One thread runs at a time, so plain code is atomic; afterwards others may run.
#pragma once

#include <type_traits>

#include "interface.h"

// the detector is told of an atomic as such, not of its loads and stores
#define EMULATOR_UNSEEN __attribute__((no_sanitize("thread")))

namespace emulator {

/// The value before `change`; what changes nothing may be a loop that waits.
template <class T, class Change>
EMULATOR_UNSEEN T modify(T* pointer, Ordering ordering, Site site, Change change) {
    atomic_access(pointer, sizeof(T), ordering, true, true, site);
    const T before = *pointer;
    const T after = change(before);
    *pointer = after;
    let_others_run(before != after, site);
    return before;
}

constexpr Ordering relaxed{false, false};

/// ld.relaxed.gpu. Whoever waits for another value lets others run himself.
template <class T>
EMULATOR_UNSEEN T load_relaxed(const T* pointer, Site site = EMULATOR_HERE) {
    atomic_access(const_cast<T*>(pointer), sizeof(T), relaxed, true, false, site);
    return *pointer;
}
/// st.relaxed.gpu
template <class T>
EMULATOR_UNSEEN void store_relaxed(T* pointer, std::common_type_t<T> value,
                                   Site site = EMULATOR_HERE) {
    atomic_access(pointer, sizeof(T), relaxed, false, true, site);
    *pointer = value;
    let_others_run(true, site);
}
/// ld.acquire.gpu
template <class T>
EMULATOR_UNSEEN T load_acquire(const T* pointer, Site site = EMULATOR_HERE) {
    let_others_run(false, site);
    atomic_access(const_cast<T*>(pointer), sizeof(T), {true, false}, true, false, site);
    return *pointer;
}
/// st.release.gpu
template <class T>
EMULATOR_UNSEEN void store_release(T* pointer, std::common_type_t<T> value,
                                   Site site = EMULATOR_HERE) {
    atomic_access(pointer, sizeof(T), {false, true}, false, true, site);
    *pointer = value;
    let_others_run(true, site);
}
/// red.release.gpu.add, atom.acq_rel.gpu.add
template <class T>
T add_release(T* pointer, std::common_type_t<T> value, Site site = EMULATOR_HERE) {
    return modify(pointer, {false, true}, site, [=](T old) { return static_cast<T>(old + value); });
}
template <class T>
T add_acquire_release(T* pointer, std::common_type_t<T> value, Site site = EMULATOR_HERE) {
    return modify(pointer, {true, true}, site, [=](T old) { return static_cast<T>(old + value); });
}

}  // namespace emulator

#define EMULATOR_ATOMIC(name, expression)                                                  \
    template <class T>                                                                     \
    T name(T* pointer, std::common_type_t<T> value, emulator::Site site = EMULATOR_HERE) { \
        return emulator::modify(pointer, emulator::relaxed, site,                          \
                                [=](T old) { return static_cast<T>(expression); });        \
    }
EMULATOR_ATOMIC(atomicAdd, old + value)
EMULATOR_ATOMIC(atomicSub, old - value)
EMULATOR_ATOMIC(atomicMax, old > value ? old : value)
EMULATOR_ATOMIC(atomicMin, old < value ? old : value)
EMULATOR_ATOMIC(atomicAnd, (old & value))
EMULATOR_ATOMIC(atomicOr, old | value)
EMULATOR_ATOMIC(atomicXor, old ^ value)
EMULATOR_ATOMIC(atomicExch, ((void)old, value))
EMULATOR_ATOMIC(atomicInc, old >= value ? 0 : old + 1)
#undef EMULATOR_ATOMIC

template <class T>
T atomicCAS(T* pointer, std::common_type_t<T> expected, std::common_type_t<T> value,
            emulator::Site site = EMULATOR_HERE) {
    return emulator::modify(pointer, emulator::relaxed, site,
                            [=](T old) { return old == expected ? value : old; });
}
