#include "cli/estimate/cost.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>

#include "cli/built_in_prices.h"
#include "kinesis_format/put_records_limits.h"

namespace penstock::cli {
namespace {

constexpr double kHours = 720;
// Developer guide, "Quotas and limits": a shard takes 1,000 records and 1 MB a second.
constexpr double kShardRecords = 1'000;
constexpr double kShardBytes = 1'000'000;
constexpr size_t kOnDemandRounding = 1'024;

double number(const YAML::Node& node, const char* key) {
  return node[key] ? node[key].as<double>() : throw YAML::Exception(node.Mark(), key);
}

Prices prices_of(const YAML::Node& node) {
  Prices prices;
  prices.shard_hour = number(node, "shard_hour");
  prices.put_units_per_million = number(node, "put_units_per_million");
  prices.on_demand_stream_hour = number(node["on_demand"], "stream_hour");
  prices.on_demand_gb_in = number(node["on_demand"], "gb_in");
  prices.advantage_stream_hour = number(node["on_demand_advantage"], "stream_hour");
  prices.advantage_gb_in = number(node["on_demand_advantage"], "gb_in");
  return prices;
}

}  // namespace

std::string_view built_in_prices() { return kBuiltInPrices; }

Result<PriceTable, Error> read_prices(const std::string& yaml, const std::string& name,
                                      const std::string& region) {
  try {
    const YAML::Node regions = YAML::Load(yaml)["regions"];
    if (!regions || !regions.IsMap() || regions.size() == 0) {
      return usage_error(name + ": no table of prices: it has no regions");
    }
    if (!region.empty() && regions[region]) return PriceTable{prices_of(regions[region]), region};
    const auto first = regions.begin();
    return PriceTable{prices_of(first->second), first->first.as<std::string>()};
  } catch (const YAML::Exception& error) {
    return usage_error(name + ", line " + std::to_string(error.mark.line + 1) +
                       ": not a table of prices: " + error.msg);
  }
}

void Traffic::add_record(size_t bytes, double times_per_second) {
  const auto rounded_up = [bytes](size_t unit) {
    return static_cast<double>(std::max<size_t>((bytes + unit - 1) / unit, 1));
  };
  records_per_second += times_per_second;
  bytes_per_second += static_cast<double>(bytes) * times_per_second;
  put_units_per_second += rounded_up(kinesis_format::kPayloadUnitBytes) * times_per_second;
  billed_bytes_per_second +=
      rounded_up(kOnDemandRounding) * static_cast<double>(kOnDemandRounding) * times_per_second;
}

Cost cost_of(const Traffic& traffic, const Prices& prices, double utilisation) {
  Cost cost;
  const double full = std::max(std::ceil(traffic.records_per_second / kShardRecords),
                               std::ceil(traffic.bytes_per_second / kShardBytes));
  cost.shards = static_cast<uint64_t>(std::max(1.0, std::ceil(full / utilisation)));
  const double units_hour = traffic.put_units_per_second * 3'600;
  const double gib_hour = traffic.billed_bytes_per_second * 3'600 / (1024.0 * 1024 * 1024);
  cost.provisioned_month = kHours * (static_cast<double>(cost.shards) * prices.shard_hour +
                                     units_hour * prices.put_units_per_million / 1e6);
  cost.on_demand_month =
      kHours * (prices.on_demand_stream_hour + gib_hour * prices.on_demand_gb_in);
  cost.advantage_month =
      kHours * (prices.advantage_stream_hour + gib_hour * prices.advantage_gb_in);
  return cost;
}

}  // namespace penstock::cli
