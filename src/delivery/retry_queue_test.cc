#include "delivery/retry_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::delivery {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr SteadyTime kNow{1h};

QueuedRecord record(const std::string& name, uint64_t order_key = 0, uint32_t shard = 0,
                    SteadyTime due = kNow) {
  QueuedRecord made;
  made.data = ByteBuffer::copy_of(as_bytes(name));
  made.meta.order_key = order_key;
  made.meta.shard = shard;
  made.due = due;
  return made;
}

class RetryQueueTest : public testing::Test {
 protected:
  // All that may go at this time, taken; keys stay under way.
  std::vector<std::string> take_all(SteadyTime now = kNow) {
    std::vector<std::string> names;
    while (queue_.next(now, shards_) != nullptr) {
      names.emplace_back(as_text(queue_.take().data.view()));
    }
    return names;
  }
  RetryQueue queue_;
  ShardSelector shards_{1};
};

TEST_F(RetryQueueTest, RecordsGoWhenTheyAreDue) {
  queue_.add(record("late", 0, 0, kNow + 2s));
  queue_.add(record("early", 0, 0, kNow + 1s));
  EXPECT_THAT(take_all(), ElementsAre());
  EXPECT_EQ(queue_.quiet_until(), kNow + 1s);
  EXPECT_THAT(take_all(kNow + 3s), ElementsAre("early", "late"));
  EXPECT_EQ(queue_.count(), 0u);
  EXPECT_EQ(queue_.bytes(), 0u);
}

TEST_F(RetryQueueTest, AKeyHasOneRecordUnderWayAndWhatComesBackGoesFirst) {
  queue_.append(record("1", 7));
  queue_.append(record("2", 7));
  queue_.append(record("a", 8));
  EXPECT_THAT(take_all(), testing::UnorderedElementsAre("1", "a"));
  EXPECT_FALSE(queue_.is_key_free(7));
  std::deque<QueuedRecord> back;
  back.push_back(record("1a", 7));
  back.push_back(record("1b", 7));
  queue_.put_back(std::move(back));
  EXPECT_THAT(take_all(), ElementsAre("1a"));
  queue_.done(7);
  EXPECT_THAT(take_all(), ElementsAre("1b"));
  queue_.done(7);
  EXPECT_THAT(take_all(), ElementsAre("2"));
  queue_.done(7);
  EXPECT_TRUE(queue_.is_key_free(7));
}

TEST_F(RetryQueueTest, TakesWhatIsWantedAndKeepsTheRestInOrder) {
  queue_.add(record("due", 0, 1));
  queue_.park(record("parked", 0, 1));
  queue_.append(record("1", 7, 1));
  queue_.append(record("2", 7, 1));
  queue_.append(record("other", 8, 2));
  queue_.append(record("more", 8, 2));
  std::vector<std::string> taken;
  for (const QueuedRecord& record :
       queue_.take_if([](const QueuedRecord& record) { return record.meta.shard == 1; })) {
    taken.emplace_back(as_text(record.data.view()));
  }
  EXPECT_THAT(taken, ElementsAre("due", "parked", "1", "2"));
  EXPECT_TRUE(queue_.is_key_free(7));
  EXPECT_EQ(queue_.load(1).bytes, 0u);
  EXPECT_THAT(take_all(), ElementsAre("other"));
  queue_.done(8);
  EXPECT_THAT(take_all(), ElementsAre("more"));
}

// Who looks for something to take, and finds what stays, looks for ever.
TEST_F(RetryQueueTest, FindsOnlyWhatWouldBeTaken) {
  const auto is_of_1 = [](const QueuedRecord& record) { return record.meta.shard == 1; };
  queue_.append(record("in front of one that stays", 7, 1));
  queue_.append(record("stays", 7, 2));
  EXPECT_EQ(queue_.find_if(is_of_1), nullptr);
  EXPECT_THAT(queue_.take_if(is_of_1), testing::IsEmpty());
  queue_.append(record("last", 7, 1));
  ASSERT_NE(queue_.find_if(is_of_1), nullptr);
  EXPECT_EQ(as_text(queue_.find_if(is_of_1)->data.view()), "last");
  EXPECT_EQ(queue_.take_if(is_of_1).size(), 1u);
}

TEST_F(RetryQueueTest, AClosedShardGetsNothing) {
  queue_.park(record("1", 0, 3));
  queue_.append(record("2", 9, 3));
  shards_.close(3);
  EXPECT_THAT(take_all(), ElementsAre());
  shards_.open(3);
  (void)queue_.take_if([](const QueuedRecord&) { return false; });
  EXPECT_THAT(take_all(), testing::UnorderedElementsAre("1", "2"));
}

TEST(RetryQueueDeathTest, ARecordBelongsToAKeyQueueExactlyWhenItsKeySaysSo) {
  RetryQueue queue;
  EXPECT_DEATH(queue.add(record("x", 7)), "order_key");
  EXPECT_DEATH(queue.append(record("x")), "order_key");
  EXPECT_DEATH(queue.done(7), "under_way");
  queue.begin(7);
  EXPECT_DEATH(queue.begin(7), "is_new");
}

}  // namespace
}  // namespace penstock::delivery
