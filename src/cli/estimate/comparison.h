// Every way a stream can be packed, billed and archived, side by side. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/estimate/cost.h"
#include "cli/estimate/packing.h"
#include "config/options.h"

namespace penstock::cli {

struct PackedTraffic {
  PackingMode packing;
  Traffic traffic;
};
// All nine forms of record.
[[nodiscard]] std::vector<PackedTraffic> pack_each_way(const std::vector<std::string>& events,
                                                       double events_per_second,
                                                       milliseconds flush_interval);

struct Choice {
  const PackedTraffic* packed = nullptr;  // of the list given to all_choices()
  StreamMode mode = StreamMode::provisioned;
  Archive archive = Archive::none;
  Bill bill;
  std::vector<config::Reader> readers;  // that understand it
};
// What is possible and has a price. With wishes.archive_years each has an archive that takes it.
[[nodiscard]] std::vector<Choice> all_choices(const std::vector<PackedTraffic>& packed,
                                              const Prices& prices, const Wishes& wishes);

// Among those that the reader understands, or among all. nullptr: there is none.
[[nodiscard]] const Choice* cheapest(const std::vector<Choice>& choices,
                                     std::optional<config::Reader> reader = std::nullopt);
[[nodiscard]] const Choice* cheapest(const std::vector<Choice>& choices,
                                     const PackedTraffic& packed, StreamMode mode);

[[nodiscard]] const char* name_of(kinesis_format::Aggregation aggregation);
[[nodiscard]] const char* name_of(codec::Compression compression);

}  // namespace penstock::cli
