// Device and shared memory that is watched, piece by piece.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include "race_clocks.h"
#include "race_places.h"

namespace emulator::race {

struct Past {
    Moment moment;
    Origin origin;
    Access access;
    bool happened = false;
};

struct Cell {
    Past written;
    // two readers that are not ordered with each other; more are not needed to find most races
    Past read[2];
    bool initialised = false;
    bool closed = false;
};
// so small that neighbours of half or bf16 are no race
constexpr size_t cell_bytes = 2;

/// Cells of which most are never touched: those are zeros, which take neither time nor memory.
class Cells {
public:
    explicit Cells(size_t count);
    ~Cells();
    Cells(const Cells&) = delete;
    Cells& operator=(const Cells&) = delete;

    size_t size() const { return _count; }
    Cell& operator[](size_t number) { return _first[number]; }
    Cell* begin() { return _first; }
    Cell* end() { return _first + _count; }

private:
    size_t _count;
    Cell* _first;
};

struct Region {
    char* start;
    size_t bytes;
    bool shared;
    // offsets between which nothing may be touched, and which have no cells
    size_t closed;
    size_t open_again;
    bool ended = false;
    Cells cells;

    Region(void* memory, size_t size, bool is_shared, size_t from, size_t until)
        : start(static_cast<char*>(memory)),
          bytes(size),
          shared(is_shared),
          closed((from + 1) / cell_bytes * cell_bytes),
          open_again(until),
          cells((size - (until - closed)) / cell_bytes + 1) {}

    bool contains(const char* pointer) const { return pointer >= start && pointer < start + bytes; }
    bool is_open(size_t from, size_t until) const { return until <= closed || from >= open_again; }
    size_t cell_of(size_t offset) const {
        return (offset < open_again ? offset : offset - (open_again - closed)) / cell_bytes;
    }
};

/// Calls change(cell) for all that [start, start + bytes) has a part of.
template <class Change>
void for_cells(Region& region, const char* start, size_t bytes, Change change) {
    const size_t offset = start - region.start;
    const size_t first = region.cell_of(offset);
    const size_t last = region.cell_of(offset + bytes - 1);
    for (size_t i = first; i <= last && i < region.cells.size(); ++i) change(region.cells[i]);
}

/// Of device memory, or of shared memory that the running block can reach; else null.
Region* region_of(const char* pointer);
/// "thread (x,y,z) of block (x,y,z)"
std::string who_is(unsigned thread);

}  // namespace emulator::race
