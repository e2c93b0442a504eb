#include "daemon/stream_delivery.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "daemon/translate.h"

namespace penstock::daemon {
namespace {

// Everything a StreamDelivery needs, with a service that nobody plays: events stay where they are.
class StreamDeliveryTest : public testing::Test {
 protected:
  void SetUp() override {
    // Found at once: nothing else is asked for credentials.
    setenv("AWS_ACCESS_KEY_ID", "AKIA1", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    spool::SpoolOptions options;
    options.ack = spool::AckMode::delivered;
    spool = *spool::Spool::open(std::move(options), ledger, memory);
    identities = std::make_unique<Identities>(config::Config());
    delivery = std::make_unique<StreamDelivery>(
        "logs", thread,
        DeliveryParts{*spool, ledger, memory, metrics, *identities, shards});
  }
  void TearDown() override {
    delivery.reset();
    thread.stop();
    spool->close();
  }

  // As a reload does it.
  void send_to(const std::string& name) {
    config::StreamOptions options;
    options.key = "logs";
    options.name = name;
    options.region = "us-east-1";
    options.endpoint = "http://127.0.0.1:1";
    ASSERT_TRUE(spool->open_stream(make_log_options(options)));
    delivery->update(spool->logs(), &options, {});
  }
  void remove() { delivery->update(spool->logs(), nullptr, {}); }

  void add_event() {
    record::Batch batch;
    batch.source = "test";
    batch.tag = "test";
    batch.encoding = record::Encoding::json;
    batch.event_count = 1;
    record::append_json_entry(batch.storage, {1'700'000'000, 0}, as_bytes("{}"));
    batch.entries_size = batch.storage.size();
    spool::Append append;
    append.source = "test";
    append.parts.push_back({"logs", std::move(batch)});
    append.done = [](spool::AppendOutcome) {};
    (void)spool->append(std::move(append));
  }

  record::Ledger ledger;
  memory::MemoryBudget memory{{}};
  metrics::Metrics metrics;
  ShardWatch shards{[](const ShardTarget&) { return ShardNews(); }};
  delivery::DeliveryThread thread{net::HttpOptions{}};
  std::unique_ptr<spool::Spool> spool;
  std::unique_ptr<Identities> identities;
  std::unique_ptr<StreamDelivery> delivery;
};

TEST_F(StreamDeliveryTest, AnIdleStreamIsSentElsewhereAgainAndAgain) {
  send_to("first");
  for (int turn = 0; turn < 20; ++turn) {
    send_to("target-" + std::to_string(turn % 3));
    EXPECT_FALSE(delivery->advance());
    EXPECT_EQ(delivery->settings().name, "target-" + std::to_string(turn % 3));
  }
  EXPECT_FALSE(delivery->may_deliver(Clock::system().steady()));
}

TEST_F(StreamDeliveryTest, SeveralChangesBeforeALookLeaveNothingBehind) {
  send_to("first");
  for (int turn = 0; turn < 20; ++turn) send_to("target-" + std::to_string(turn));
  EXPECT_FALSE(delivery->advance());
  remove();
  EXPECT_TRUE(delivery->advance());
}

TEST_F(StreamDeliveryTest, WhatIsStoredForAFormerTargetKeepsTheStreamThoughItIsRemoved) {
  send_to("first");
  add_event();
  send_to("second");
  remove();
  EXPECT_FALSE(delivery->advance());
  EXPECT_EQ(ledger.snapshot().pending.at("logs"), 1u);
}

}  // namespace
}  // namespace penstock::daemon
