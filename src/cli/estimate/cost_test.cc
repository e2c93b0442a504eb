#include "cli/estimate/cost.h"

#include <gtest/gtest.h>

#include "cli/estimate/packing.h"

namespace penstock::cli {
namespace {

Prices us_east_1() {
  return read_prices(std::string(built_in_prices()), "built-in", "us-east-1")->prices;
}

Cost steady(double bytes_per_second, size_t record_bytes) {
  Traffic traffic;
  traffic.add_record(record_bytes, bytes_per_second / static_cast<double>(record_bytes));
  return cost_of(traffic, us_east_1(), 1.0);
}

// A steady 5 MB/s for a month of 720 hours, worked by hand from the published prices.
TEST(Cost, OneSmallLogARecord) {
  const Cost cost = steady(5e6, 300);
  EXPECT_EQ(cost.shards, 17u);
  EXPECT_NEAR(cost.provisioned_month, 788, 1);
  EXPECT_NEAR(cost.on_demand_month, 3'325, 25);
}

TEST(Cost, RecordsOfAThousandBytes) {
  const Cost cost = steady(5e6, 1'000);
  EXPECT_EQ(cost.shards, 5u);
  EXPECT_NEAR(cost.provisioned_month, 235, 1);
  EXPECT_NEAR(cost.on_demand_month, 1'018, 1);
}

TEST(Cost, RecordsOfOnePayloadUnit) {
  const Cost cost = steady(5e6, 25'600);
  EXPECT_EQ(cost.shards, 5u);
  EXPECT_NEAR(cost.provisioned_month, 61, 1);
  EXPECT_NEAR(cost.on_demand_month, 994, 1);
  EXPECT_LT(cost.advantage_month, cost.on_demand_month * 0.4);
}

TEST(Cost, UtilisationLeavesRoomAndOneShardIsTheLeast) {
  Traffic traffic;
  traffic.add_record(1'000, 4'000);
  EXPECT_EQ(cost_of(traffic, us_east_1(), 0.8).shards, 5u);
  EXPECT_EQ(cost_of(Traffic{}, us_east_1(), 0.8).shards, 1u);
}

TEST(Cost, UnknownRegionTakesTheFirstAndSaysSo) {
  const auto table = read_prices(std::string(built_in_prices()), "built-in", "mars-north-1");
  ASSERT_TRUE(table);
  EXPECT_EQ(table->region, "us-east-1");
  EXPECT_FALSE(read_prices("regions: {x: {shard_hour: 1}}", "f", "x"));
  EXPECT_FALSE(read_prices("nothing: 1", "f", ""));
  EXPECT_FALSE(read_prices("regions: {x: [", "f", ""));
}

std::vector<std::string> events(size_t count, size_t size) {
  std::vector<std::string> all;
  for (size_t i = 0; i < count; ++i) {
    std::string event = "{\"n\":" + std::to_string(i) + ",\"m\":\"";
    event += std::string(size - event.size() - 2, static_cast<char>('a' + i % 26)) + "\"}";
    all.push_back(std::move(event));
  }
  return all;
}

TEST(Packing, OneEventARecordIsTheEventAndItsKey) {
  const Traffic traffic = measure_packing(
      events(100, 300), 50.0, {kinesis_format::Aggregation::none, codec::Compression::none});
  EXPECT_NEAR(traffic.records_per_second, 50, 1e-6);
  EXPECT_NEAR(traffic.bytes_per_second, 50 * 316, 1e-6);
  EXPECT_NEAR(traffic.put_units_per_second, 50, 1e-6);
}

TEST(Packing, KplNeedsTwelveTimesFewerUnitsForSmallEvents) {
  const auto sample = events(1'000, 300);
  const Traffic plain =
      measure_packing(sample, 1'000, {kinesis_format::Aggregation::none, codec::Compression::none});
  const Traffic kpl =
      measure_packing(sample, 1'000, {kinesis_format::Aggregation::kpl, codec::Compression::none});
  EXPECT_GT(plain.put_units_per_second / kpl.put_units_per_second, 12);
  EXPECT_GT(plain.records_per_second / kpl.records_per_second, 100);
}

TEST(Packing, SlowStreamsCloseTheirAggregatesByTime) {
  const auto sample = events(1'000, 300);
  const Traffic traffic =
      measure_packing(sample, 10, {kinesis_format::Aggregation::lines, codec::Compression::none});
  EXPECT_NEAR(traffic.records_per_second, 1, 0.1);  // flush.interval is a second
}

TEST(Packing, CompressionIsMeasured) {
  const auto sample = events(1'000, 300);
  const Traffic plain = measure_packing(
      sample, 1'000, {kinesis_format::Aggregation::lines, codec::Compression::none});
  const Traffic gzip = measure_packing(
      sample, 1'000, {kinesis_format::Aggregation::lines, codec::Compression::gzip});
  EXPECT_LT(gzip.bytes_per_second * 5, plain.bytes_per_second);
}

}  // namespace
}  // namespace penstock::cli
