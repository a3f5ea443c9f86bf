// Compares each access with the last ones of the same memory.
#include <string>

#include "race.h"
#include "race_clocks.h"
#include "race_places.h"
#include "race_regions.h"
#include "scheduler.h"
#include "settings.h"

namespace emulator::race {
namespace {

const char* name_of(Access access) {
    if (access == Access::read) return "read";
    return access == Access::write ? "write" : "atomic";
}

bool is_atomic(Access access) {
    return access == Access::atomic_read || access == Access::atomic_write;
}

bool is_write(Access access) {
    return access == Access::write || access == Access::atomic_write;
}

[[noreturn]] void end_with(const std::string& said) {
    report(said);
    fail();
}

std::string memory_at(const Region& region, const char* pointer) {
    return text("%s memory (byte %zu of it)", region.shared ? "shared" : "global",
                static_cast<size_t>(pointer - region.start));
}

struct Now {
    Region& region;
    char* pointer;
    Past access;
};

std::string by(const Past& past) {
    return " by " + who_is(past.moment.thread) + " at " + text_of(past.origin);
}

void check_order(const Now& now, const Past& past) {
    if (!past.happened || (is_atomic(past.access) && is_atomic(now.access.access))) return;
    if (happened_before(past.moment, now.access.moment.thread)) return;
    end_with("race on " + memory_at(now.region, now.pointer) + ": " + name_of(now.access.access) +
             by(now.access) + " is not ordered with the " + name_of(past.access) + by(past));
}

/// Keeps the read in place of one that is the thread's own or that everybody after it knows of.
void keep_read(Cell& cell, const Past& read) {
    const unsigned thread = read.moment.thread;
    const auto replaceable = [&](const Past& past) {
        return !past.happened || past.moment.thread == thread;
    };
    if (replaceable(cell.read[0])) {
        cell.read[0] = read;
    } else if (replaceable(cell.read[1])) {
        cell.read[1] = read;
    } else {
        cell.read[happened_before(cell.read[0].moment, thread) ? 0 : 1] = read;
    }
}

[[noreturn]] void end_outside(const Now& now) {
    end_with(std::string(name_of(now.access.access)) + " outside of the arrays of " +
             memory_at(now.region, now.pointer) + by(now.access));
}

void check_cell(Cell& cell, const Now& now) {
    const Access access = now.access.access;
    if (cell.closed) {
        end_outside(now);
    }
    if (access != Access::write && !cell.initialised) {
        end_with(std::string(access == Access::read ? "read" : "atomic") + " of " +
                 memory_at(now.region, now.pointer) + " that was never written" + by(now.access));
    }
    check_order(now, cell.written);
    if (!is_write(access)) {
        keep_read(cell, now.access);
        return;
    }
    for (const Past& read : cell.read) check_order(now, read);
    cell.written = now.access;
    cell.initialised = true;
    if (access == Access::write) cell.read[0] = cell.read[1] = {};
}

}  // namespace

void check(const void* address, size_t bytes, Access access, Origin origin) {
    char* pointer = static_cast<char*>(const_cast<void*>(address));
    if (running_thread() < 0 || is_on_stack(pointer)) return;
    Region* region = region_of(pointer);
    if (!region) return;
    const Now now{*region, pointer, {moment_of(running_thread()), origin, access, true}};
    if (region->ended) {
        end_with("access to the shared memory of a block that has exited" + by(now.access));
    }
    const size_t offset = pointer - region->start;
    if (!region->is_open(offset, offset + bytes)) end_outside(now);
    for_cells(*region, pointer, bytes, [&](Cell& cell) { check_cell(cell, now); });
}

}  // namespace emulator::race
