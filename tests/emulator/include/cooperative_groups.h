// Cooperative groups: block, grid, cluster and tiles of a warp.
#pragma once

#include "cuda_runtime.h"

namespace cooperative_groups {

struct thread_block {
    static void sync(emulator::Site site = EMULATOR_HERE) { emulator::sync_block(site); }
    static unsigned thread_rank() {
        return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    }
    static unsigned num_threads() { return blockDim.x * blockDim.y * blockDim.z; }
    static unsigned size() { return num_threads(); }
    static dim3 group_index() { return {blockIdx.x, blockIdx.y, blockIdx.z}; }
    static dim3 thread_index() { return {threadIdx.x, threadIdx.y, threadIdx.z}; }
};

struct grid_group {
    static bool is_valid() { return true; }
    void sync(emulator::Site site = EMULATOR_HERE) const { emulator::sync_grid(site); }
    static unsigned long long block_rank() {
        return blockIdx.x + 1ull * gridDim.x * (blockIdx.y + 1ull * gridDim.y * blockIdx.z);
    }
    static unsigned long long num_blocks() { return 1ull * gridDim.x * gridDim.y * gridDim.z; }
    static unsigned long long thread_rank() {
        return block_rank() * thread_block::size() + thread_block::thread_rank();
    }
    static unsigned long long size() { return num_blocks() * thread_block::size(); }
    static unsigned long long num_threads() { return size(); }
};

struct cluster_group {
    static void sync(emulator::Site site = EMULATOR_HERE) { emulator::sync_cluster(site); }
    template <class T>
    static T* map_shared_rank(T* pointer, unsigned rank, emulator::Site site = EMULATOR_HERE) {
        void* address = const_cast<std::remove_const_t<T>*>(pointer);
        return static_cast<T*>(emulator::map_shared(address, rank, site));
    }
    static unsigned block_rank() { return emulator::cluster_rank(); }
    static unsigned num_blocks() { return emulator::cluster_size(); }
    static unsigned thread_rank() {
        return block_rank() * thread_block::size() + thread_block::thread_rank();
    }
    static unsigned num_threads() { return num_blocks() * thread_block::size(); }
};

template <unsigned Size>
struct thread_block_tile {
    static_assert(Size <= 32 && (Size & (Size - 1)) == 0);

    static unsigned mask() {
        return (~0u >> (32 - Size)) << (emulator::lane_number() & ~(Size - 1));
    }
    static unsigned thread_rank() { return emulator::lane_number() & (Size - 1); }
    static unsigned meta_group_rank() { return thread_block::thread_rank() / Size; }
    static constexpr unsigned size() { return Size; }
    static constexpr unsigned num_threads() { return Size; }

    void sync(emulator::Site site = EMULATOR_HERE) const { __syncwarp(mask(), site); }
    template <class T>
    T shfl(T value, int source, emulator::Site site = EMULATOR_HERE) const {
        return __shfl_sync(mask(), value, source, Size, site);
    }
    template <class T>
    T shfl_xor(T value, int bits, emulator::Site site = EMULATOR_HERE) const {
        return __shfl_xor_sync(mask(), value, bits, Size, site);
    }
    template <class T>
    T shfl_down(T value, unsigned delta, emulator::Site site = EMULATOR_HERE) const {
        return __shfl_down_sync(mask(), value, delta, Size, site);
    }
    template <class T>
    T shfl_up(T value, unsigned delta, emulator::Site site = EMULATOR_HERE) const {
        return __shfl_up_sync(mask(), value, delta, Size, site);
    }
};

inline thread_block this_thread_block() {
    return {};
}
inline grid_group this_grid() {
    return {};
}
inline cluster_group this_cluster() {
    return {};
}
template <unsigned Size, class Group>
thread_block_tile<Size> tiled_partition(const Group&) {
    return {};
}
template <class Group>
void sync(const Group& group, emulator::Site site = EMULATOR_HERE) {
    group.sync(site);
}

}  // namespace cooperative_groups
