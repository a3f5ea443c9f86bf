// The switch between stacks: twenty instructions on x86-64, the C library's elsewhere.
#include "context.h"

#include <cstdio>
#include <cstdlib>

#include <sys/mman.h>

#ifdef EMULATOR_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulator {

#ifndef EMULATOR_UCONTEXT

// pushes what a function must keep, leaves the stack pointer in *save, and goes on at `to`
extern "C" void emulator_switch_stack(void** save, void* to);
asm(R"(
.text
.p2align 4
.globl emulator_switch_stack
.hidden emulator_switch_stack
.type emulator_switch_stack,@function
emulator_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulator_switch_stack,.-emulator_switch_stack
)");

static void prepare_stack(Context& context, char* stack, unsigned number, void (*entry)()) {
    // with equal tops the stacks would share the same few lines of the cache
    void** top = reinterpret_cast<void**>(stack + stack_bytes - number % 64 * 64) - 2;
    *--top = nullptr;
    *--top = reinterpret_cast<void*>(entry);
    constexpr int kept_registers = 6;
    for (int i = 0; i < kept_registers; ++i) *--top = nullptr;
    context.stack_pointer = top;
}

static void switch_stack(Context& from, Context& to) {
    emulator_switch_stack(&from.stack_pointer, to.stack_pointer);
}

#else

static void prepare_stack(Context& context, char* stack, unsigned, void (*entry)()) {
    getcontext(&context.saved);
    context.saved.uc_stack.ss_sp = stack;
    context.saved.uc_stack.ss_size = stack_bytes;
    context.saved.uc_link = nullptr;
    makecontext(&context.saved, entry, 0);
}

static void switch_stack(Context& from, Context& to) {
    swapcontext(&from.saved, &to.saved);
}

#endif

void prepare(Context& context, char* stack, unsigned number, void (*entry)()) {
    context.bottom = stack;
    context.bytes = stack_bytes;
    context.fake_stack = nullptr;
    prepare_stack(context, stack, number, entry);
}

void entered([[maybe_unused]] Context& from) {
#ifdef EMULATOR_ASAN
    const void* bottom = nullptr;
    size_t bytes = 0;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
    if (!from.bottom) {
        from.bottom = bottom;
        from.bytes = bytes;
    }
#endif
}

void switch_context(Context& from, Context& to, [[maybe_unused]] bool from_ends) {
#ifdef EMULATOR_ASAN
    __sanitizer_start_switch_fiber(from_ends ? nullptr : &from.fake_stack, to.bottom, to.bytes);
#endif
    switch_stack(from, to);
#ifdef EMULATOR_ASAN
    const void* bottom = nullptr;
    size_t bytes = 0;
    __sanitizer_finish_switch_fiber(from.fake_stack, &bottom, &bytes);
#endif
}

char* map_stacks(size_t count) {
    constexpr size_t page = 4096;
    // each guard costs two mappings, and a process has 65,530 of them
    constexpr size_t most_guards = 16'384;
    void* mapped = mmap(nullptr, count * stack_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) {
        perror("emulator: no memory for stacks");
        abort();
    }
    char* stacks = static_cast<char*>(mapped);
    for (size_t i = 0; count <= most_guards && i < count; ++i) {
        mprotect(stacks + i * stack_bytes, page, PROT_NONE);
    }
    return stacks;
}

void unmap_stacks(char* stacks, size_t count) {
    munmap(stacks, count * stack_bytes);
}

}  // namespace emulator
