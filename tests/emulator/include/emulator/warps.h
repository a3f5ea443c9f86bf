// Operations of the lanes of a warp. Each is a piece of work that the last lane to arrive does.
#pragma once

#include <type_traits>

#include "interface.h"

inline void __syncwarp(unsigned mask = ~0u, emulator::Site site = EMULATOR_HERE) {
    emulator::warp_together(mask, nullptr, [](void**, unsigned) {}, "__syncwarp", site);
}
inline unsigned __activemask() {
    return emulator::lanes_alive();
}

namespace emulator {

template <class T>
struct Shuffle {
    T given;
    T taken;
    int source;
    Site site;
};

template <class T>
void exchange(void** lanes, unsigned mask) {
    for (int lane = 0; lane < 32; ++lane) {
        if (!lanes[lane]) continue;
        auto* mine = static_cast<Shuffle<T>*>(lanes[lane]);
        if (!(mask >> mine->source & 1) || !lanes[mine->source]) {
            fail_at(mine->site,
                    "shuffle: lane %d reads lane %d, which is not in mask 0x%08x or has exited",
                    lane, mine->source, mask);
        }
        mine->taken = static_cast<Shuffle<T>*>(lanes[mine->source])->given;
    }
}

/// The value of lane `source`, or the own one where that lies outside the segment.
template <class T>
T shuffle(unsigned mask, T value, int source, bool inside, const char* name, Site site) {
    static_assert(std::is_trivially_copyable_v<T>);
    Shuffle<T> mine{value, value, inside ? source : static_cast<int>(lane_number()), site};
    warp_together(mask, &mine, exchange<T>, name, site);
    return mine.taken;
}

inline int segment_start(int width) {
    return static_cast<int>(lane_number()) & ~(width - 1);
}

struct Ballot {
    bool mine;
    unsigned all;
};
inline void count_votes(void** lanes, unsigned) {
    unsigned votes = 0;
    for (int lane = 0; lane < 32; ++lane) {
        if (lanes[lane] && static_cast<Ballot*>(lanes[lane])->mine) votes |= 1u << lane;
    }
    for (int lane = 0; lane < 32; ++lane) {
        if (lanes[lane]) static_cast<Ballot*>(lanes[lane])->all = votes;
    }
}

template <class T, class Operation>
T reduce(unsigned mask, T value, Operation, const char* name, Site site) {
    const auto work = [](void** lanes, unsigned) {
        T* total = nullptr;
        for (int lane = 0; lane < 32; ++lane) {
            T* mine = static_cast<T*>(lanes[lane]);
            if (total && mine) *total = Operation()(*total, *mine);
            if (!total) total = mine;
        }
        for (int lane = 0; lane < 32; ++lane) {
            if (lanes[lane]) *static_cast<T*>(lanes[lane]) = *total;
        }
    };
    warp_together(mask, &value, work, name, site);
    return value;
}

struct Sum {
    template <class T>
    T operator()(T a, T b) const {
        return a + b;
    }
};
struct Larger {
    template <class T>
    T operator()(T a, T b) const {
        return a > b ? a : b;
    }
};
struct Smaller {
    template <class T>
    T operator()(T a, T b) const {
        return a < b ? a : b;
    }
};

}  // namespace emulator

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              emulator::Site site = EMULATOR_HERE) {
    const int lane = emulator::segment_start(width) | (source & (width - 1));
    return emulator::shuffle(mask, value, lane, true, "__shfl_sync", site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32,
                  emulator::Site site = EMULATOR_HERE) {
    const int lane = static_cast<int>(emulator::lane_number()) ^ bits;
    const bool inside = lane < emulator::segment_start(width) + width;
    return emulator::shuffle(mask, value, lane, inside, "__shfl_xor_sync", site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   emulator::Site site = EMULATOR_HERE) {
    const int lane = static_cast<int>(emulator::lane_number() + delta);
    const bool inside = lane < emulator::segment_start(width) + width;
    return emulator::shuffle(mask, value, lane, inside, "__shfl_down_sync", site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 emulator::Site site = EMULATOR_HERE) {
    const int lane = static_cast<int>(emulator::lane_number()) - static_cast<int>(delta);
    const bool inside = lane >= emulator::segment_start(width);
    return emulator::shuffle(mask, value, lane, inside, "__shfl_up_sync", site);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, emulator::Site site = EMULATOR_HERE) {
    emulator::Ballot mine{predicate != 0, 0};
    emulator::warp_together(mask, &mine, emulator::count_votes, "__ballot_sync", site);
    return mine.all;
}
inline int __any_sync(unsigned mask, int predicate, emulator::Site site = EMULATOR_HERE) {
    return __ballot_sync(mask, predicate, site) != 0;
}
inline int __all_sync(unsigned mask, int predicate, emulator::Site site = EMULATOR_HERE) {
    return __ballot_sync(mask, !predicate, site) == 0;
}

template <class T>
T __reduce_add_sync(unsigned mask, T value, emulator::Site site = EMULATOR_HERE) {
    static_assert(std::is_integral_v<T>, "as in CUDA: for whole numbers only");
    return emulator::reduce(mask, value, emulator::Sum(), "__reduce_add_sync", site);
}
template <class T>
T __reduce_max_sync(unsigned mask, T value, emulator::Site site = EMULATOR_HERE) {
    static_assert(std::is_integral_v<T>, "as in CUDA: for whole numbers only");
    return emulator::reduce(mask, value, emulator::Larger(), "__reduce_max_sync", site);
}
template <class T>
T __reduce_min_sync(unsigned mask, T value, emulator::Site site = EMULATOR_HERE) {
    static_assert(std::is_integral_v<T>, "as in CUDA: for whole numbers only");
    return emulator::reduce(mask, value, emulator::Smaller(), "__reduce_min_sync", site);
}
