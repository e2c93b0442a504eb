// The body of GET /api/status: the figures of a scrape, grouped by source, route and stream, with
// what has no number: credentials, certificates, last errors. Never a record's content or a secret.
//
// Thread: any.
#pragma once

#include <string>

#include "admin/health.h"
#include "metrics/exposition.h"

namespace penstock::admin {

[[nodiscard]] std::string status_json(const metrics::Scrape& scrape, const Health::Answer& healthz,
                                      const Health::Answer& readyz);

// 2026-11-23T06:34:40Z
[[nodiscard]] std::string rfc3339(WallTime time);

}  // namespace penstock::admin
