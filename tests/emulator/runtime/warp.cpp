// The one primitive of warps: lanes meet, the last one works for all.
#include "race.h"
#include "scheduler.h"
#include "settings.h"

namespace emulator {

unsigned lane_number() {
    return running_fiber->number % 32;
}

/// The lanes of the warp that the block has.
static unsigned lanes_of(const Block& block, unsigned warp) {
    const unsigned lanes = block.size - warp * 32;
    return lanes >= 32 ? ~0u : (1u << lanes) - 1;
}

unsigned lanes_alive() {
    const unsigned warp = running_fiber->number / 32;
    return lanes_of(*running_block, warp) & ~running_block->warps[warp].exited;
}

static Meeting& meeting_of(Warp& warp, unsigned mask, WarpWork work, const char* name, Site site) {
    const unsigned lane = lane_number();
    for (Meeting& meeting : warp.meetings) {
        // other masks may name this lane, too: it can come to them later
        if (meeting.mask == mask && !(meeting.arrived >> lane & 1)) return meeting;
    }
    warp.meetings.push_back({mask, 0, work, name, site, {}});
    return warp.meetings.back();
}

static void check_mask(unsigned mask, unsigned in_block, unsigned exited, const char* name,
                       Site site) {
    const unsigned lane = lane_number();
    if (!(mask >> lane & 1)) {
        fail_at(site, "%s: lane %u calls, which is not in its own mask 0x%08x", name, lane, mask);
    }
    if (mask != ~0u && (mask & ~in_block)) {
        fail_at(site, "%s: mask 0x%08x names lanes that the block does not have", name, mask);
    }
    if (mask & exited) {
        fail_at(site, "%s: mask 0x%08x names lanes that have exited (0x%08x)", name, mask,
                mask & exited);
    }
}

/// Those who waited go on before the last to arrive.
static void dismiss(Block& block, unsigned warp, unsigned arrived, unsigned last) {
    for (unsigned i = 0; i < 32; ++i) {
        const unsigned lane = settings.order == Order::reverse ? 31 - i : i;
        if (arrived >> lane & 1 && lane != last) make_ready(block, warp * 32 + lane);
    }
    make_ready(block, warp * 32 + last);
}

void warp_together(unsigned mask, void* mine, WarpWork work, const char* name, Site site) {
    static char nothing;
    Block& block = *running_block;
    Fiber& me = *running_fiber;
    const unsigned number = me.number / 32;
    Warp& warp = block.warps[number];
    const unsigned in_block = lanes_of(block, number);
    me.site = site;
    check_mask(mask, in_block, warp.exited, name, site);
    Meeting& meeting = meeting_of(warp, mask, work, name, site);
    if (meeting.work != work) {
        fail_at(site, "lanes of one warp are in different operations: %s here, %s at %s", name,
                meeting.name, place(meeting.site).c_str());
    }
    meeting.lanes[lane_number()] = mine ? mine : &nothing;
    meeting.arrived |= 1u << lane_number();
    if (meeting.arrived == (mask & in_block)) {
        Meeting complete = meeting;
        warp.meetings.erase(warp.meetings.begin() + (&meeting - warp.meetings.data()));
        complete.work(complete.lanes.data(), mask);
        race::warp_operation(block.number, number, complete.arrived);
        dismiss(block, number, complete.arrived, lane_number());
    } else {
        me.waits = Waits::warp;
    }
    wait_here();
}

}  // namespace emulator
