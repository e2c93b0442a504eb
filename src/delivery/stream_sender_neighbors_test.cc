// Several streams share delivery's memory: one that does not move leaves the others theirs.
#include <gtest/gtest.h>

#include "delivery/sender_rig.h"
#include "delivery/stream_sender.h"

namespace penstock::delivery {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMemory = 24_MiB;

// Three streams, the first of which goes wrong; events come at the same rate for each.
class Neighbours : public testing::Test {
 protected:
  static constexpr uint32_t kPerTick = 50;  // events of 10 kB for each stream, every 50 ms

  void come(uint32_t ticks) {
    for (uint32_t tick = 0; tick < ticks; ++tick) {
      for (Rig* rig : {&broken_, &second_, &third_}) rig->add(objects(0, kPerTick, 10'000));
      world_.run_for(50ms);
    }
  }
  // Of the second and third, what came in this time and was delivered, in percent of all.
  double delivered_percent(uint32_t ticks) {
    const uint64_t before = second_.delivered() + third_.delivered();
    come(ticks);
    world_.run_for(200ms);
    const uint64_t delivered = second_.delivered() + third_.delivered() - before;
    return 100.0 * static_cast<double>(delivered) / (2.0 * kPerTick * ticks);
  }

  World world_{kMemory};
  Rig broken_{world_, plain_options("broken")};
  Rig second_{world_, plain_options("second")};
  Rig third_{world_, plain_options("third")};
};

TEST_F(Neighbours, OfAStreamThatNeverAnswersKeepTheirRate) {
  come(20);
  broken_.stream.latency = 24h;
  come(100);
  EXPECT_GE(delivered_percent(200), 95);
  EXPECT_LE(world_.memory_leased_most, kMemory);
}

TEST_F(Neighbours, OfAStreamWhoseRequestsFailAfterAWhileKeepTheirRate) {
  broken_.stream.latency = 5s;
  broken_.stream.on_call = [](const PlayedStream::Call&) {
    return std::optional(whole(PutError::server_fault, "timeout"));
  };
  come(300);
  EXPECT_GE(delivered_percent(200), 95);
  EXPECT_LE(world_.memory_leased_most, kMemory);
}

TEST_F(Neighbours, OfTwoStreamsThatAreHeldKeepTheirRate) {
  for (Rig* rig : {&broken_, &second_}) {
    rig->stream.latency = 200ms;
    rig->stream.on_call = [](const PlayedStream::Call&) {
      return std::optional(whole(PutError::access_denied, "AccessDeniedException"));
    };
  }
  come(200);
  const uint64_t before = third_.delivered();
  come(200);
  world_.run_for(200ms);
  EXPECT_GE(third_.delivered() - before, 200 * kPerTick * 95 / 100);
}

TEST_F(Neighbours, AStreamThatIsAloneAtWorkMayHaveMostOfTheMemory) {
  second_.stream.latency = 1s;
  second_.add(objects(0, 3'000, 10'000));
  world_.run_for(900ms);
  EXPECT_GE(world_.memory_leased_most, kMemory / 2);
  world_.run_until_quiet();
  EXPECT_EQ(second_.delivered(), 3'000u);
}

}  // namespace
}  // namespace penstock::delivery
