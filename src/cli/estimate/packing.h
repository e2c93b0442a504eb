// How a sample of events is packed into Kinesis records in each mode, by the code that delivery
// itself packs with. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/estimate/cost.h"
#include "kinesis_format/aggregate.h"

namespace penstock::cli {

struct PackingMode {
  kinesis_format::Aggregation aggregation = kinesis_format::Aggregation::none;
  codec::Compression compression = codec::Compression::none;
  milliseconds flush_interval{1'000};
};

// The sample stands for a stream of events_per_second, in its order and over and over.
[[nodiscard]] Traffic measure_packing(const std::vector<std::string>& events,
                                      double events_per_second, const PackingMode& mode);

// How much of a sample is left when objects of it are compressed with gzip, as channels and
// Firehose do.
[[nodiscard]] double gzip_ratio(const std::vector<std::string>& events);

}  // namespace penstock::cli
