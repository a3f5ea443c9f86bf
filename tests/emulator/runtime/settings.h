// What a test may set, and what it is told.
#pragma once

#include <cstdint>
#include <string>

#include "emulator/interface.h"

namespace emulator {

enum class Order { forward, reverse, random };

struct Settings {
    Order order = Order::forward;
    uint64_t seed = 1;
    /// Yields of threads that change nothing, with no barrier passed between them.
    unsigned most_spins = 2'000'000;
    int processors = 132;
    /// 0: as many as shared memory and threads allow.
    int blocks_per_processor = 0;
    /// That many calls of functions that ask `call_must_fail` do not, then one does; -1: none.
    int calls_before_failure = -1;
};
extern Settings settings;

/// Starts the sequence of random numbers anew, from the seed.
void restart_random();
uint64_t random_number();

/// Asked by functions of the host that launch or make something, each time that they are called.
bool call_must_fail();

/// Keeps the message, unless one is kept that nobody has taken yet.
void report(const std::string& message);

std::string text(const char* format, ...) __attribute__((format(printf, 1, 2)));
/// file:line, without folders
std::string place(Site site);
bool same(Site left, Site right);

}  // namespace emulator
