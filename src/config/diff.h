// What changed between two configurations, and what of it a reload cannot take up: where we listen,
// which directory we use, how much memory we may have.
#pragma once

#include <string>
#include <vector>

#include "config/options.h"

namespace penstock::config {

struct Change {
  std::string key;  // "streams.audit.region", "sources.forward.listen", "streams.old (removed)"
  bool needs_restart = false;
};

// Empty when nothing changed. Sources and streams are matched by name, wherever they stand.
[[nodiscard]] std::vector<Change> diff(const Config& running, const Config& wanted);

// `wanted` with everything that needs a restart put back to what is running: what a reload applies.
// A source that is new waits for the restart; one that was removed goes on unchanged until then.
[[nodiscard]] Config applicable(const Config& running, Config wanted);

}  // namespace penstock::config
