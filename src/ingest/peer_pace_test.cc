#include "ingest/peer_pace.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::ingest {
namespace {

class Pace : public testing::Test, protected Expirable {
 protected:
  ~Pace() override {
    lease_.release();  // which serves whoever waits
    granted_.release();
  }
  void end_late(std::string_view reason) override { ended_ = reason; }

  // The peer is waited for for so many seconds, and sends so much in each.
  void read_for(int count, size_t bytes) {
    for (int i = 0; i < count; ++i) {
      pace_.waits(lease_);
      if (pace_.deadline != net::kNoDeadline) pace_.expire();
      pace_.came(bytes);
    }
  }
  void let_others_wait() {
    memory_.acquire(100, [this](memory::MemoryLease granted) { granted_ = std::move(granted); });
  }

  memory::MemoryBudget memory_{{.ordinary_bytes = 100}};
  memory::MemoryLease lease_ = memory_.try_acquire(10);
  memory::MemoryLease granted_;
  PeerPace pace_{*this, memory_};
  std::string ended_;
};

TEST_F(Pace, APeerThatIsTooSlowIsEndedWhenOthersWaitForItsMemory) {
  let_others_wait();
  read_for(10, 63 << 10);
  EXPECT_EQ(ended_, "") << "it has ten seconds";
  read_for(1, 0);
  EXPECT_EQ(ended_, "too_slow");
}

TEST_F(Pace, APeerMayTakeItsTimeWhileNobodyWaits) {
  read_for(100, 1);
  EXPECT_EQ(ended_, "");
  let_others_wait();
  read_for(1, 1);
  EXPECT_EQ(ended_, "too_slow");
}

TEST_F(Pace, APeerThatKeepsTheRateOnAverageIsNotEnded) {
  let_others_wait();
  for (int i = 0; i < 10; ++i) {
    read_for(9, 0);
    read_for(1, 640 << 10);
  }
  EXPECT_EQ(ended_, "");
}

TEST_F(Pace, TheTimeDuringWhichWeDoNotReadDoesNotCount) {
  let_others_wait();
  read_for(10, 0);
  for (int i = 0; i < 100; ++i) pace_.expire();  // between two reads
  EXPECT_EQ(ended_, "");
}

TEST_F(Pace, NothingIsHeldBetweenMessages) {
  let_others_wait();
  for (int i = 0; i < 5; ++i) {
    read_for(10, 0);
    pace_.rests();
    EXPECT_EQ(pace_.deadline, net::kNoDeadline);
  }
  EXPECT_EQ(ended_, "");
}

}  // namespace
}  // namespace penstock::ingest
