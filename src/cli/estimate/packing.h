// How a sample of events is packed into Kinesis records in each mode, by the code that delivery
// itself packs with. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/estimate/cost.h"
#include "encode/aggregate.h"

namespace penstock::cli {

struct PackingMode {
  encode::Aggregation aggregation = encode::Aggregation::none;
  record::Compression compression = record::Compression::none;
  milliseconds flush_interval{1'000};
};

// The sample stands for a stream of events_per_second, in its order and over and over.
[[nodiscard]] Traffic measure_packing(const std::vector<std::string>& events,
                                      double events_per_second, const PackingMode& mode);

}  // namespace penstock::cli
