#include "cli/estimate/cost.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "cli/estimate/comparison.h"
#include "cli/estimate/packing.h"

namespace penstock::cli {
namespace {

Prices us_east_1() {
  return *read_prices(std::string(built_in_prices()), "built-in")->find("us-east-1");
}

Traffic steady(double bytes_per_second, size_t record_bytes) {
  Traffic traffic;
  traffic.add_record(record_bytes, bytes_per_second / static_cast<double>(record_bytes));
  return traffic;
}

Bill bill(const Traffic& traffic, StreamMode mode, Archive archive = Archive::none,
          const Wishes& wishes = {.utilization = 1.0}) {
  const auto made = bill_of(traffic, us_east_1(), mode, archive, wishes);
  EXPECT_TRUE(made);
  return made.value_or(Bill());
}

// A steady 5 MB/s for a month of 720 hours, worked by hand from the published prices.
TEST(Cost, OneSmallLogARecord) {
  const Traffic traffic = steady(5e6, 300);
  EXPECT_EQ(bill(traffic, StreamMode::provisioned).shards, 17u);
  EXPECT_NEAR(bill(traffic, StreamMode::provisioned).total(), 788, 1);
  EXPECT_NEAR(bill(traffic, StreamMode::on_demand).total(), 3'325, 25);
}

TEST(Cost, RecordsOfAThousandBytes) {
  const Traffic traffic = steady(5e6, 1'000);
  EXPECT_EQ(bill(traffic, StreamMode::provisioned).shards, 5u);
  EXPECT_NEAR(bill(traffic, StreamMode::provisioned).total(), 235, 1);
  EXPECT_NEAR(bill(traffic, StreamMode::on_demand).total(), 1'018, 1);
}

TEST(Cost, RecordsOfOnePayloadUnit) {
  const Traffic traffic = steady(5e6, 25'600);
  EXPECT_NEAR(bill(traffic, StreamMode::provisioned).total(), 61, 1);
  EXPECT_NEAR(bill(traffic, StreamMode::on_demand).total(), 994, 1);
}

// 25 MiB/s for 720 hours are 63,281.25 GiB, at 0.032.
TEST(Cost, AdvantageBillsTheAccountsMinimum) {
  const Bill small = bill(steady(1e6, 1'024), StreamMode::advantage);
  EXPECT_NEAR(small.total(), 2'025, 1);
  EXPECT_NEAR(small.stream, 77, 1);
  const Bill large = bill(steady(100e6, 1'024), StreamMode::advantage);
  EXPECT_EQ(large.minimum, 0);
  EXPECT_NEAR(large.total(), 7'725, 5);
}

// Six days beyond the first at 1 MB/s are 482.8 GiB, 23 days beyond the seventh 1,850.7.
TEST(Cost, RetentionHasTwoPrices) {
  const Traffic traffic = steady(1e6, 1'000);
  const Wishes week{.utilization = 1.0, .retention_hours = 168};
  const Wishes month{.utilization = 1.0, .retention_hours = 720};
  EXPECT_EQ(bill(traffic, StreamMode::on_demand).retention, 0);
  EXPECT_NEAR(bill(traffic, StreamMode::on_demand, Archive::none, week).retention, 48.28, 0.1);
  EXPECT_NEAR(bill(traffic, StreamMode::on_demand, Archive::none, month).retention, 90.8, 0.2);
  EXPECT_NEAR(bill(traffic, StreamMode::provisioned, Archive::none, week).retention, 14.4, 0.01);
  EXPECT_NEAR(bill(traffic, StreamMode::provisioned, Archive::none, month).retention, 56.97, 0.1);
}

// A GiB a month archived: 12 months of it, the first of each object in STANDARD.
TEST(Cost, AnArchiveIsBilledAsItIsWhenItIsFull) {
  Traffic traffic = steady(1e6, 5'120);
  traffic.archived_bytes_per_second = 1024.0 * 1024 * 1024 / (720 * 3'600);
  const Wishes wishes{.utilization = 1.0, .archive_years = 1, .storage_class = "DEEP_ARCHIVE"};
  const Bill year = bill(traffic, StreamMode::provisioned, Archive::firehose, wishes);
  EXPECT_NEAR(year.archive, 0.023 + 11 * 0.00099, 1e-9);
  EXPECT_NEAR(year.delivery, 1e6 * 720 * 3'600 / 1024 / 1024 / 1024 * 0.029, 0.01);
}

TEST(Cost, FirehoseBillsSmallRecordsAsFiveKib) {
  Traffic traffic;
  traffic.add_record(100, 1);
  EXPECT_EQ(traffic.firehose_bytes_per_second, 5'120);
}

TEST(Cost, AChannelReadsOnDemandStreamsAndNeedsAPrice) {
  Prices prices = us_east_1();
  const Traffic traffic = steady(1e6, 1'000);
  EXPECT_FALSE(bill_of(traffic, prices, StreamMode::on_demand, Archive::channel, {}));
  prices.channel_gb = 0.01;
  EXPECT_TRUE(bill_of(traffic, prices, StreamMode::on_demand, Archive::channel, {}));
  EXPECT_FALSE(bill_of(traffic, prices, StreamMode::provisioned, Archive::channel, {}));
}

TEST(Cost, UtilizationLeavesRoomAndOneShardIsTheLeast) {
  Traffic traffic;
  traffic.add_record(1'000, 4'000);
  EXPECT_EQ(bill(traffic, StreamMode::provisioned, Archive::none, {}).shards, 5u);
  EXPECT_EQ(bill(Traffic{}, StreamMode::provisioned, Archive::none, {}).shards, 1u);
}

TEST(Cost, ATableNamesWhatNobodyChecked) {
  const auto built_in = read_prices(std::string(built_in_prices()), "built-in");
  ASSERT_TRUE(built_in) << built_in.error().message;
  const auto& names = built_in->not_checked;
  EXPECT_EQ(std::count(names.begin(), names.end(), "firehose"), 1);
  EXPECT_EQ(std::count(names.begin(), names.end(), "shard_hour"), 0);
  std::string checked(built_in_prices());
  const size_t from = checked.find("\nnot_checked:");
  checked.erase(from, checked.find("\nregions:") - from);
  const auto table = read_prices(checked, "f");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_TRUE(table->not_checked.empty());
}

TEST(Cost, ATableNamesItsDateAndItsRegionsAndNoOthersAreGuessed) {
  const auto table = read_prices(std::string(built_in_prices()), "built-in");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ(table->dated, "2026-11");
  EXPECT_EQ(table->find("mars-north-1"), nullptr);
  EXPECT_NE(table->region_names().find("us-east-1"), std::string::npos);
  EXPECT_FALSE(read_prices("regions: {x: {provisioned: {shard_hour: 1}}}\ndated: 2026", "f"));
  EXPECT_FALSE(read_prices("dated: 2026", "f"));
  const std::string undated(built_in_prices());
  EXPECT_FALSE(read_prices(undated.substr(undated.find("regions:")), "f"));
  EXPECT_FALSE(read_prices("regions: {x: [", "f"));
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

TEST(Packing, WhatIsArchivedIsCompressedOnce) {
  const auto sample = events(1'000, 300);
  const Traffic plain =
      measure_packing(sample, 1'000, {kinesis_format::Aggregation::none, codec::Compression::none});
  EXPECT_LT(plain.archived_bytes_per_second * 5, plain.bytes_per_second);
  const Traffic zstd = measure_packing(
      sample, 1'000, {kinesis_format::Aggregation::lines, codec::Compression::zstd});
  EXPECT_EQ(zstd.archived_bytes_per_second, zstd.bytes_per_second);
}

class Comparison : public ::testing::Test {
 protected:
  const std::vector<PackedTraffic> packed_ =
      pack_each_way(events(1'000, 300), 1'000.0, milliseconds(1'000));
};

TEST_F(Comparison, EveryFormAndModeIsThereAndTheCheapestIsOneOfThem) {
  const auto choices = all_choices(packed_, us_east_1(), {});
  EXPECT_EQ(choices.size(), 27u);
  const Choice* best = cheapest(choices);
  ASSERT_NE(best, nullptr);
  for (const Choice& choice : choices) EXPECT_LE(best->bill.total(), choice.bill.total());
  EXPECT_NE(best->packed->packing.aggregation, kinesis_format::Aggregation::none);
}

TEST_F(Comparison, AReadersCheapestIsOneThatItUnderstands) {
  const auto choices = all_choices(packed_, us_east_1(), {});
  const Choice* lambda = cheapest(choices, config::Reader::lambda);
  ASSERT_NE(lambda, nullptr);
  EXPECT_NE(lambda->packed->packing.aggregation, kinesis_format::Aggregation::kpl);
  const Choice* channel = cheapest(choices, config::Reader::channel_json);
  ASSERT_NE(channel, nullptr);
  EXPECT_NE(channel->mode, StreamMode::provisioned);
  EXPECT_EQ(channel->packed->packing.compression, codec::Compression::none);
}

TEST_F(Comparison, WithAnArchiveOnlyWhatCanBeArchivedIsThere) {
  const auto choices = all_choices(packed_, us_east_1(), {.archive_years = 3});
  ASSERT_FALSE(choices.empty());
  for (const Choice& choice : choices) {
    EXPECT_EQ(choice.archive, Archive::firehose) << "a channel has no price here";
    EXPECT_EQ(choice.packed->packing.compression, codec::Compression::none);
    EXPECT_GT(choice.bill.archive, 0);
  }
}

}  // namespace
}  // namespace penstock::cli
