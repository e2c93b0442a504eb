// The body of GET /api/status: the figures of a scrape, grouped by source, route and stream, with
// what has no number: what is wrong, credentials, certificates, last errors. Never a record's
// content or a secret.
//
// Thread: any.
#pragma once

#include <string>

#include "admin/health.h"
#include "admin/observer.h"
#include "metrics/exposition.h"

namespace penstock::admin {

[[nodiscard]] std::string status_json(const metrics::Scrape& scrape, const Observer& observer,
                                      const Health::Answer& healthz, const Health::Answer& readyz);

}  // namespace penstock::admin
