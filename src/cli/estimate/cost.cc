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
constexpr size_t kFirehoseRounding = 5'120;
constexpr double kGib = 1024.0 * 1024 * 1024;
// Kept for so long without extra, then at the extended price, then at the long-term one.
constexpr double kFreeHours = 24;
constexpr double kExtendedHours = 168;

double number(const YAML::Node& node, const char* key) {
  return node[key] ? node[key].as<double>() : throw YAML::Exception(node.Mark(), key);
}
YAML::Node section(const YAML::Node& node, const char* key) {
  return node[key] && node[key].IsMap() ? node[key] : throw YAML::Exception(node.Mark(), key);
}

Prices::OnDemand on_demand_of(const YAML::Node& node) {
  Prices::OnDemand prices;
  prices.stream_hour = number(node, "stream_hour");
  prices.gb_in = number(node, "gb_in");
  prices.extended_gb_month = number(node, "extended_gb_month");
  prices.long_term_gb_month = number(node, "long_term_gb_month");
  if (node["minimum_mib_per_second"]) {
    prices.minimum_mib_per_second = number(node, "minimum_mib_per_second");
  }
  return prices;
}

Prices prices_of(const YAML::Node& node) {
  Prices prices;
  const YAML::Node provisioned = section(node, "provisioned");
  prices.shard_hour = number(provisioned, "shard_hour");
  prices.put_units_per_million = number(provisioned, "put_units_per_million");
  prices.extended_shard_hour = number(provisioned, "extended_shard_hour");
  prices.long_term_gb_month = number(provisioned, "long_term_gb_month");
  prices.on_demand = on_demand_of(section(node, "on_demand"));
  prices.advantage = on_demand_of(section(node, "on_demand_advantage"));
  if (node["channel"]) prices.channel_gb = number(node["channel"], "gb");
  prices.firehose_gb = number(section(node, "firehose"), "gb");
  const YAML::Node s3 = section(node, "s3_gb_month");
  prices.s3_standard_gb_month = number(s3, "STANDARD");
  for (const auto& entry : s3) {
    prices.s3_gb_month.emplace_back(entry.first.as<std::string>(), entry.second.as<double>());
  }
  return prices;
}

double gib_month(double bytes_per_second) { return bytes_per_second * kHours * 3'600 / kGib; }

// What is stored at any time between two ages, in GB.
double stored_gib(const Traffic& traffic, double from_hours, double to_hours) {
  return traffic.bytes_per_second * 3'600 * std::max(0.0, to_hours - from_hours) / kGib;
}

void add_on_demand(Bill& bill, const Traffic& traffic, const Prices::OnDemand& prices,
                   const Wishes& wishes) {
  const double in = gib_month(traffic.billed_bytes_per_second) * prices.gb_in;
  const double least = gib_month(prices.minimum_mib_per_second * 1024 * 1024) * prices.gb_in;
  bill.stream = kHours * prices.stream_hour + in;
  bill.minimum = std::max(0.0, least - in);
  bill.retention =
      stored_gib(traffic, kFreeHours, std::min(wishes.retention_hours, kExtendedHours)) *
          prices.extended_gb_month +
      stored_gib(traffic, kExtendedHours, wishes.retention_hours) * prices.long_term_gb_month;
}

void add_provisioned(Bill& bill, const Traffic& traffic, const Prices& prices,
                     const Wishes& wishes) {
  const double full = std::max(std::ceil(traffic.records_per_second / kShardRecords),
                               std::ceil(traffic.bytes_per_second / kShardBytes));
  bill.shards = static_cast<uint64_t>(std::max(1.0, std::ceil(full / wishes.utilization)));
  const auto shards = static_cast<double>(bill.shards);
  bill.stream = kHours * shards * prices.shard_hour;
  bill.put_units =
      kHours * 3'600 * traffic.put_units_per_second * prices.put_units_per_million / 1e6;
  if (wishes.retention_hours > kFreeHours) {
    bill.retention =
        kHours * shards * prices.extended_shard_hour +
        stored_gib(traffic, kExtendedHours, wishes.retention_hours) * prices.long_term_gb_month;
  }
}

// The first month in STANDARD, then in the class that was chosen.
double archive_month(const Traffic& traffic, const Prices& prices, const Wishes& wishes) {
  double cold = prices.s3_standard_gb_month;
  for (const auto& [name, price] : prices.s3_gb_month) {
    if (name == wishes.storage_class) cold = price;
  }
  const double months = wishes.archive_years * 12;
  return gib_month(traffic.archived_bytes_per_second) *
         (std::min(months, 1.0) * prices.s3_standard_gb_month + std::max(0.0, months - 1) * cold);
}

}  // namespace

const char* to_string(StreamMode mode) {
  switch (mode) {
    case StreamMode::provisioned:
      return "provisioned";
    case StreamMode::on_demand:
      return "on-demand";
    case StreamMode::advantage:
      return "advantage";
  }
  return "";
}

const char* to_string(Archive archive) {
  switch (archive) {
    case Archive::none:
      return "none";
    case Archive::channel:
      return "channel";
    case Archive::firehose:
      return "firehose";
  }
  return "";
}

const Prices* PriceTable::find(std::string_view region) const {
  for (const auto& [name, prices] : regions) {
    if (name == region) return &prices;
  }
  return nullptr;
}

std::string PriceTable::region_names() const {
  std::string names;
  for (const auto& [name, prices] : regions) names += (names.empty() ? "" : ", ") + name;
  return names;
}

std::string_view built_in_prices() { return kBuiltInPrices; }

Result<PriceTable, Error> read_prices(const std::string& yaml, const std::string& name) {
  try {
    const YAML::Node document = YAML::Load(yaml);
    const YAML::Node regions = document["regions"];
    if (!regions || !regions.IsMap() || regions.size() == 0) {
      return usage_error(name + ": no table of prices: it has no regions");
    }
    if (!document["dated"]) {
      return usage_error(name + ": no table of prices: it does not say from when (dated)");
    }
    PriceTable table;
    table.dated = document["dated"].as<std::string>();
    if (document["not_checked"]) {
      table.not_checked = document["not_checked"].as<std::vector<std::string>>();
    }
    for (const auto& entry : regions) {
      table.regions.emplace_back(entry.first.as<std::string>(), prices_of(entry.second));
    }
    return table;
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
  firehose_bytes_per_second +=
      rounded_up(kFirehoseRounding) * static_cast<double>(kFirehoseRounding) * times_per_second;
}

std::optional<Bill> bill_of(const Traffic& traffic, const Prices& prices, StreamMode mode,
                            Archive archive, const Wishes& wishes) {
  Bill bill;
  switch (mode) {
    case StreamMode::provisioned:
      add_provisioned(bill, traffic, prices, wishes);
      break;
    case StreamMode::on_demand:
      add_on_demand(bill, traffic, prices.on_demand, wishes);
      break;
    case StreamMode::advantage:
      add_on_demand(bill, traffic, prices.advantage, wishes);
      break;
  }
  if (archive == Archive::none) return bill;
  if (archive == Archive::channel) {
    if (mode == StreamMode::provisioned || !prices.channel_gb) return std::nullopt;
    bill.delivery = gib_month(traffic.bytes_per_second) * *prices.channel_gb;
  } else {
    bill.delivery = gib_month(traffic.firehose_bytes_per_second) * prices.firehose_gb;
  }
  bill.archive = archive_month(traffic, prices, wishes);
  return bill;
}

}  // namespace penstock::cli
