// What `penstock check --online` finds out: the credentials, the clock, and each stream as the
// service describes it beside what the configuration makes of it.
#pragma once

#include <cstdio>

#include "config/options.h"

namespace penstock::cli {

// Findings go to `out`, what is wrong to stderr. False: something that delivery needs fails.
[[nodiscard]] bool check_online(const config::Config& config, std::FILE* out);

}  // namespace penstock::cli
