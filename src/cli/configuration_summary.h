// What penstock makes of a configuration, a line each for sources, routes, streams and the rest.
#pragma once

#include <string>

#include "config/options.h"

namespace penstock::cli {

[[nodiscard]] std::string configuration_summary(const config::Config& config);

// "log_type: audit", "tag: app.**, source: http"; empty: everything.
[[nodiscard]] std::string condition_of(const config::RouteOptions& route);

}  // namespace penstock::cli
