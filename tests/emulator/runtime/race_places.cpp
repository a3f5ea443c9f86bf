// Turns addresses of instrumented code into lines of the kernel.
#include "race_places.h"

#include <dlfcn.h>

#include <cstdio>
#include <map>
#include <utility>

#include "settings.h"

namespace emulator::race {

static std::map<std::pair<const char*, int>, Site>& kept_sites() {
    static std::map<std::pair<const char*, int>, Site> sites;
    return sites;
}

Origin kept(Site site) {
    return &kept_sites().try_emplace({site.file, site.line}, site).first->second;
}

/// The innermost of the inlined frames that is no header of the emulator or the system.
static std::string line_of(const char* file, size_t offset) {
    const std::string command = text("addr2line -i -e '%s' 0x%zx 2>/dev/null", file, offset);
    FILE* output = popen(command.c_str(), "r");
    if (!output) return "?";
    std::string chosen = "?";
    char line[1000];
    while (fgets(line, sizeof line, output)) {
        chosen = line;
        if (chosen.find("/include/") == std::string::npos) break;
    }
    // what follows the number is a remark, such as a discriminator
    chosen = chosen.substr(0, chosen.find_first_of(" \n"));
    pclose(output);
    return chosen.substr(chosen.rfind('/') + 1);
}

std::string text_of(Origin origin) {
    for (const auto& [key, site] : kept_sites()) {
        if (&site == origin) return place(site);
    }
    Dl_info info;
    if (!dladdr(origin, &info) || !info.dli_fname) return "?";
    // the address is the one that the call returns to
    const size_t offset =
        static_cast<const char*>(origin) - 1 - static_cast<const char*>(info.dli_fbase);
    return line_of(info.dli_fname, offset);
}

}  // namespace emulator::race
