// Settings, random numbers and messages, and the functions by which a test reaches them.
#include "settings.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

namespace emulator {

Settings settings;

static uint64_t random_state = 1;
static std::string message;

void restart_random() {
    random_state = settings.seed * 0x9E3779B97F4A7C15ull | 1;
}

uint64_t random_number() {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

bool call_must_fail() {
    if (settings.calls_before_failure < 0) return false;
    return settings.calls_before_failure-- == 0;
}

void report(const std::string& said) {
    if (message.empty()) message = said;
}

std::string text(const char* format, ...) {
    char line[1000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    return line;
}

std::string place(Site site) {
    const char* slash = strrchr(site.file, '/');
    return text("%s:%d", slash ? slash + 1 : site.file, site.line);
}

bool same(Site left, Site right) {
    return left.line == right.line && !strcmp(left.file, right.file);
}

}  // namespace emulator

#define EXPORTED extern "C" __attribute__((visibility("default")))

/// order: 0 forward, 1 reverse, 2 random from the seed
EXPORTED void emulator_set_order(int order, unsigned long long seed) {
    emulator::settings.order = static_cast<emulator::Order>(order);
    emulator::settings.seed = seed;
}

EXPORTED void emulator_set_device(int processors, int blocks_per_processor) {
    emulator::settings.processors = processors;
    emulator::settings.blocks_per_processor = blocks_per_processor;
}

EXPORTED void emulator_set_most_spins(unsigned most) {
    emulator::settings.most_spins = most;
}

/// After so many calls of functions that launch, or make streams, captures and graphs, one fails; -1:
/// none. How many there would have been before the failure that was set last.
EXPORTED int emulator_set_failure(int calls) {
    return std::exchange(emulator::settings.calls_before_failure, calls);
}

/// The first message since the last call; the text lives until the next one.
EXPORTED const char* emulator_take_message() {
    static std::string taken;
    taken.swap(emulator::message);
    emulator::message.clear();
    return taken.c_str();
}
