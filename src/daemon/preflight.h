// What can be told of a configuration before anything is started, with the very values that run
// uses; loading it (config/loader.h) has read its files already.
//
// Opens no port and makes no directory; looks host names up. Thread: any.
#pragma once

#include <vector>

#include "config/environment.h"
#include "config/options.h"
#include "config/problem.h"

namespace penstock::daemon {

// Routes, endpoints and named profiles. `run` starts with none of these errors, a reload changes
// nothing.
[[nodiscard]] std::vector<config::Problem> check_settings(const config::Config& config,
                                                          const config::Environment& environment);

// What the machine may lack: addresses to listen on, directories, credentials. `run` finds out as
// it goes, for it may come later.
[[nodiscard]] std::vector<config::Problem> check_surroundings(
    const config::Config& config, const config::Environment& environment);

// Why the directory cannot be used or made; "" when it can. Only its last part is made.
[[nodiscard]] std::string directory_complaint(const std::string& path);

}  // namespace penstock::daemon
