// What instrumented code calls at each access, in the place of the compiler's own thread sanitizer:
// that one knows nothing of CUDA's barriers.
#include "race.h"
#include "race_clocks.h"
#include "race_places.h"

namespace emulator {

void atomic_access(void* pointer, size_t bytes, Ordering ordering, bool reads, bool writes,
                   Site site) {
    using race::Access;
    if (race::running_thread() < 0 || race::is_on_stack(pointer)) return;
    const auto access = writes ? Access::atomic_write : Access::atomic_read;
    // what reads and writes must find something written, too
    race::check(pointer, bytes, reads ? access : Access::atomic_write, race::kept(site));
    race::meet_at(pointer, race::running_thread(), ordering, reads, writes);
}

namespace race {

void fence() {
    if (running_thread() >= 0) fence_of(running_thread());
}

void accessed(const void* pointer, size_t bytes, Access access, Site site) {
    check(pointer, bytes, access, kept(site));
}

static void hook_atomic(const volatile void* pointer, size_t bytes, int order, bool reads,
                        bool writes, Origin origin) {
    if (running_thread() < 0 || is_on_stack(const_cast<const void*>(pointer))) return;
    const void* address = const_cast<const void*>(pointer);
    check(address, bytes, writes ? Access::atomic_write : Access::atomic_read, origin);
    const bool acquires = order != __ATOMIC_RELAXED && order != __ATOMIC_RELEASE;
    const bool releases = order >= __ATOMIC_RELEASE;
    meet_at(address, running_thread(), {acquires && reads, releases && writes}, reads, writes);
}

}  // namespace race
}  // namespace emulator

using emulator::race::Access;
using emulator::race::check;
using emulator::race::hook_atomic;

#define HERE __builtin_return_address(0)

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void*, void*) {}
void __tsan_vptr_read(void*) {}
void __tsan_read_range(void* pointer, size_t bytes) {
    check(pointer, bytes, Access::read, HERE);
}
void __tsan_write_range(void* pointer, size_t bytes) {
    check(pointer, bytes, Access::write, HERE);
}

#define HOOK(name, bytes, access)                    \
    void __tsan_##name##bytes(void* pointer) {       \
        check(pointer, bytes, Access::access, HERE); \
    }
#define HOOKS(bytes)                                  \
    HOOK(read, bytes, read)                           \
    HOOK(write, bytes, write)                         \
    HOOK(unaligned_read, bytes, read)                 \
    HOOK(unaligned_write, bytes, write)               \
    HOOK(volatile_read, bytes, atomic_read)           \
    HOOK(volatile_write, bytes, atomic_write)         \
    HOOK(unaligned_volatile_read, bytes, atomic_read) \
    HOOK(unaligned_volatile_write, bytes, atomic_write)
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)

// the atomics of the language, which cuda::atomic_ref is made of
#define FETCH(bits, type, name)                                                              \
    type __tsan_atomic##bits##_fetch_##name(volatile type* pointer, type value, int order) { \
        hook_atomic(pointer, sizeof(type), order, true, true, HERE);                         \
        return __atomic_fetch_##name(pointer, value, __ATOMIC_SEQ_CST);                      \
    }
#define EXCHANGE(bits, type, strength)                                                             \
    bool __tsan_atomic##bits##_compare_exchange_##strength(volatile type* pointer, type* expected, \
                                                           type value, int order, int) {           \
        hook_atomic(pointer, sizeof(type), order, true, true, HERE);                               \
        return __atomic_compare_exchange_n(pointer, expected, value, false, __ATOMIC_SEQ_CST,      \
                                           __ATOMIC_SEQ_CST);                                      \
    }
#define ATOMICS(bits, type)                                                              \
    type __tsan_atomic##bits##_load(const volatile type* pointer, int order) {           \
        hook_atomic(pointer, sizeof(type), order, true, false, HERE);                    \
        return *pointer;                                                                 \
    }                                                                                    \
    void __tsan_atomic##bits##_store(volatile type* pointer, type value, int order) {    \
        hook_atomic(pointer, sizeof(type), order, false, true, HERE);                    \
        *pointer = value;                                                                \
    }                                                                                    \
    type __tsan_atomic##bits##_exchange(volatile type* pointer, type value, int order) { \
        hook_atomic(pointer, sizeof(type), order, true, true, HERE);                     \
        return __atomic_exchange_n(pointer, value, __ATOMIC_SEQ_CST);                    \
    }                                                                                    \
    FETCH(bits, type, add)                                                               \
    FETCH(bits, type, sub)                                                               \
    FETCH(bits, type, or)                                                                \
    FETCH(bits, type, and)                                                               \
    FETCH(bits, type, xor)                                                               \
    EXCHANGE(bits, type, strong)                                                         \
    EXCHANGE(bits, type, weak)
ATOMICS(8, unsigned char)
ATOMICS(16, unsigned short)
ATOMICS(32, unsigned)
ATOMICS(64, unsigned long)

}  // extern "C"
