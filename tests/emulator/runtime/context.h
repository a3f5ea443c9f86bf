// Stacks, and the switch from one to another.
#pragma once

#include <cstddef>

#ifndef __x86_64__
#define EMULATOR_UCONTEXT
#endif
#ifdef EMULATOR_UCONTEXT
#include <ucontext.h>
#endif

namespace emulator {

#ifdef EMULATOR_ASAN
constexpr size_t stack_bytes = 256 << 10;
#else
constexpr size_t stack_bytes = 64 << 10;
#endif

/// Where a thread of execution goes on.
struct Context {
#ifdef EMULATOR_UCONTEXT
    ucontext_t saved;
#else
    void* stack_pointer = nullptr;
#endif
    // the address sanitizer wants to know the stack that is switched to
    const void* bottom = nullptr;
    size_t bytes = 0;
    void* fake_stack = nullptr;
};

/// The first switch to `context` calls `entry` on the stack; `number` spreads the stacks' tops.
void prepare(Context& context, char* stack, unsigned number, void (*entry)());
/// The first thing that `entry` does; `from` is the context that has started the first fiber.
void entered(Context& from);
void switch_context(Context& from, Context& to, bool from_ends);

/// Memory for so many stacks, with a page in front of each that must not be touched.
char* map_stacks(size_t count);
void unmap_stacks(char* stacks, size_t count);

}  // namespace emulator
