// One scrape in Prometheus' text format, from one look at the ledger, the counters and the status.
// Every metric of registry.cc appears, with its HELP and TYPE, also while it has no series.
//
// Thread: any.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "metrics/counter.h"
#include "metrics/status.h"
#include "record/ledger.h"

namespace penstock::metrics {

struct Scrape {
  const record::Ledger::Snapshot& ledger;  // one snapshot: the sums of a scrape must hold
  const Metrics& metrics;
  const Status& status;
  std::string_view version;
  WallTime now;
  bool ready = false;
};

[[nodiscard]] std::string exposition(const Scrape& scrape);

// What the kernel says of this process now; 0 when it says nothing.
[[nodiscard]] uint64_t resident_memory_bytes();

}  // namespace penstock::metrics
