// What a stream costs: shards and dollars a month from what is written to it. The prices come from
// a table (prices.yaml); a month has 720 hours. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::cli {

struct Prices {
  double shard_hour = 0;
  double put_units_per_million = 0;
  double on_demand_stream_hour = 0, on_demand_gb_in = 0;
  double advantage_stream_hour = 0, advantage_gb_in = 0;
};

struct PriceTable {
  Prices prices;
  std::string region;  // whose prices they are: the one asked for, else the first of the table
};

// yaml: the text of a table; name: for errors.
[[nodiscard]] Result<PriceTable, Error> read_prices(const std::string& yaml,
                                                    const std::string& name,
                                                    const std::string& region);
// The table that penstock was built with.
[[nodiscard]] std::string_view built_in_prices();

// What is written to Kinesis, as the service counts it.
struct Traffic {
  double records_per_second = 0;
  double bytes_per_second = 0;         // data and keys
  double put_units_per_second = 0;     // of 25,600 bytes
  double billed_bytes_per_second = 0;  // each record rounded up to 1,024 bytes

  void add_record(size_t bytes, double times_per_second);
};

struct Cost {
  uint64_t shards = 0;
  double provisioned_month = 0;
  double on_demand_month = 0;
  double advantage_month = 0;
};

// `utilisation`: how much of each shard is to be used, 0 to 1. At least one shard.
[[nodiscard]] Cost cost_of(const Traffic& traffic, const Prices& prices, double utilisation);

}  // namespace penstock::cli
