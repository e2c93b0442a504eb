// What changes while records are on their way: options by a reload, limits by the service.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "delivery/sender_rig.h"
#include "delivery/stream_sender.h"

namespace penstock::delivery {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

SenderOptions keyed(bool ordered, kinesis_format::Aggregation aggregation) {
  SenderOptions options = plain_options();
  options.packer.partition_key = route::PartitionKey::tag();
  options.packer.keys_are_random = false;
  options.packer.keep_order = ordered;
  options.packer.aggregation = aggregation;
  options.flush_interval = 50ms;
  return options;
}

// An aggregate made without order is refused alone when order is asked for already.
TEST(SenderReload, ToOrderWhileAnAggregateIsUnderWayThatIsRefusedAlone) {
  for (const bool to_ordered : {true, false}) {
    World world;
    Rig rig(world, keyed(!to_ordered, kinesis_format::Aggregation::kpl));
    rig.stream.on_call = [](const PlayedStream::Call& call) -> std::optional<PutResult> {
      for (const auto& record : call.records) {
        if (record.data.find("\"n\":3,") != std::string::npos) {
          return whole(PutError::invalid_argument, "InvalidArgumentException");
        }
      }
      return std::nullopt;
    };
    rig.add(objects(0, 10, 100), "a");
    world.run_for(55ms);
    ASSERT_THAT(rig.stream.calls, SizeIs(1));
    rig.sender->reconfigure(keyed(to_ordered, kinesis_format::Aggregation::none));
    for (uint32_t i = 1; i <= 5; ++i) {  // others, to tell the record from the stream by
      rig.add(objects(10 * i, 10, 100), "b");
      world.run_for(61s);
    }
    world.run_until_quiet(30min);
    EXPECT_EQ(rig.delivered(), 59u);
    EXPECT_EQ(rig.pending(), 0u);
    ASSERT_THAT(world.spool.letters, SizeIs(1));
    EXPECT_EQ(world.spool.letters[0].object, object(3, 100));
  }
}

// The limit is lowered while an event is being split and another, which fitted before, waits to be
// sent again: both are split by the new limit.
TEST(SenderReload, ALimitLoweredWhileAnEventIsSplitSplitsItAndWhatWaitsByTheNewLimit) {
  for (const milliseconds when : {1ms, 15ms, 21ms, 30ms, 45ms, 100ms}) {
    World world;
    SenderOptions options = plain_options();
    options.requests_in_flight_max = 1;
    Rig rig(world, options);
    const std::string fitted = object(0, 500'000);
    const std::string split = object(1, 3'000'000);
    bool first = true;
    rig.stream.on_record = [&](const PlayedStream::Record& record) -> std::optional<EntryOutcome> {
      const bool fails = record.data == fitted && std::exchange(first, false);
      return fails ? std::optional(EntryOutcome::internal_failure) : std::nullopt;
    };
    rig.add({fitted, split, object(2)});
    world.run_for(when);
    rig.sender->limit_records(200'000);
    world.run_until_quiet();
    EXPECT_THAT(world.spool.letters, IsEmpty()) << when.count();
    EXPECT_EQ(rig.delivered(), 3u) << when.count();
    EXPECT_EQ(rig.pending(), 0u);
    auto events = read_back(rig.stream);
    std::sort(events.begin(), events.end());
    EXPECT_TRUE(events == (std::vector{fitted, split, object(2)})) << when.count();
  }
}

}  // namespace
}  // namespace penstock::delivery
