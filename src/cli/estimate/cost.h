// What a stream and its archive cost: shards and dollars a month from what is written. The prices
// come from a table (prices.yaml); a month has 720 hours. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::cli {

enum class StreamMode : uint8_t { provisioned, on_demand, advantage };
inline constexpr std::array kStreamModes = {StreamMode::provisioned, StreamMode::on_demand,
                                            StreamMode::advantage};
[[nodiscard]] const char* to_string(StreamMode mode);

struct Prices {
  double shard_hour = 0, put_units_per_million = 0, extended_shard_hour = 0;
  double long_term_gb_month = 0;  // provisioned
  struct OnDemand {
    double stream_hour = 0, gb_in = 0, extended_gb_month = 0, long_term_gb_month = 0;
    double minimum_mib_per_second = 0;  // billed at least, of the account
  };
  OnDemand on_demand, advantage;
  std::optional<double> channel_gb;  // nothing: not known
  double firehose_gb = 0;
  double s3_standard_gb_month = 0;                          // the first month of every object
  std::vector<std::pair<std::string, double>> s3_gb_month;  // by storage class
};

struct PriceTable {
  std::string dated;                     // as the file says
  std::vector<std::string> not_checked;  // prices in it that nobody compared with their source
  std::vector<std::pair<std::string, Prices>> regions;

  [[nodiscard]] const Prices* find(std::string_view region) const;
  [[nodiscard]] std::string region_names() const;
};

// yaml: the text of a table; name: for errors.
[[nodiscard]] Result<PriceTable, Error> read_prices(const std::string& yaml,
                                                    const std::string& name);
// The table that penstock was built with.
[[nodiscard]] std::string_view built_in_prices();

// What is written to Kinesis, as the services count it.
struct Traffic {
  double records_per_second = 0;
  double bytes_per_second = 0;           // data and keys
  double put_units_per_second = 0;       // of 25,600 bytes
  double billed_bytes_per_second = 0;    // each record rounded up to 1,024 bytes
  double firehose_bytes_per_second = 0;  // each record rounded up to 5,120 bytes
  double archived_bytes_per_second = 0;  // as objects hold it, compressed by whoever does

  void add_record(size_t bytes, double times_per_second);
};

enum class Archive : uint8_t { none, channel, firehose };
[[nodiscard]] const char* to_string(Archive archive);

struct Wishes {
  double utilization = 0.8;  // of each shard
  double retention_hours = 24;
  double archive_years = 0;                  // 0: no archive
  std::string storage_class = "GLACIER_IR";  // after the first month
};

// A month of it, the archive as it is when it is full.
struct Bill {
  uint64_t shards = 0;   // provisioned
  double stream = 0;     // shards, or hours and GB in
  double put_units = 0;  // provisioned
  double minimum = 0;    // what advantage's account minimum adds
  double retention = 0;  // beyond 24 h
  double delivery = 0;   // channel or Firehose
  double archive = 0;    // S3

  [[nodiscard]] double total() const {
    return stream + put_units + minimum + retention + delivery + archive;
  }
};

// Nothing: a channel cannot read that mode, or what it costs is not known.
[[nodiscard]] std::optional<Bill> bill_of(const Traffic& traffic, const Prices& prices,
                                          StreamMode mode, Archive archive, const Wishes& wishes);

}  // namespace penstock::cli
