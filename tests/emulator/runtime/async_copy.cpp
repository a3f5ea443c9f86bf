// Asynchronous copies: the bytes move at the wait, and until then their place holds poison.
#include <cstring>

#include "race.h"
#include "shared_memory.h"
#include "state.h"

namespace emulator {

void copy_async(void* to, const void* from, size_t bytes, size_t zeros, Site site) {
    if (bytes != 4 && bytes != 8 && bytes != 16) {
        fail_at(site, "an asynchronous copy of %zu bytes: only 4, 8 and 16 are possible", bytes);
    }
    if (reinterpret_cast<uintptr_t>(to) % bytes || reinterpret_cast<uintptr_t>(from) % bytes) {
        fail_at(site, "an asynchronous copy of %zu bytes with pointers not aligned to that", bytes);
    }
    if (zeros > bytes) fail_at(site, "an asynchronous copy of more zeros than bytes");
    running_fiber->site = site;
    race::accessed(to, bytes, race::Access::write, site);
    memset(to, poison, bytes);
    running_fiber->uncommitted.push_back(
        {static_cast<char*>(to), static_cast<const char*>(from), bytes, zeros, site});
}

void commit_copies() {
    running_fiber->committed.push_back(std::move(running_fiber->uncommitted));
    running_fiber->uncommitted.clear();
}

void wait_for_copies(unsigned prior, Site site) {
    Fiber& me = *running_fiber;
    me.site = site;
    while (me.committed.size() > prior) {
        for (const AsyncCopy& copy : me.committed.front()) {
            const size_t moved = copy.bytes - copy.zeros;
            if (moved) race::accessed(copy.from, moved, race::Access::read, copy.site);
            race::accessed(copy.to, copy.bytes, race::Access::write, copy.site);
            memcpy(copy.to, copy.from, moved);
            memset(copy.to + moved, 0, copy.zeros);
        }
        me.committed.erase(me.committed.begin());
    }
}

}  // namespace emulator
