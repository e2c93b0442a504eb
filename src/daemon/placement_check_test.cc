#include "daemon/placement_check.h"

#include <gtest/gtest.h>

namespace penstock::daemon {
namespace {

using kinesis::HashKey;
using kinesis::Shard;

const HashKey kHalf = HashKey{1} << 127;
const HashKey kLast = ~HashKey{0};

std::shared_ptr<const kinesis::ShardMap> shards(std::vector<Shard> all) {
  return std::make_shared<const kinesis::ShardMap>(std::move(all));
}

PlacementCheck two_shards() {
  PlacementCheck check;
  check.set_shards(shards({{0, 0, kHalf - 1}, {1, kHalf, kLast}}));
  return check;
}

TEST(PlacementCheck, OneRecordInAShardThatDoesNotOwnItsKeyIsEnough) {
  PlacementCheck check = two_shards();
  check.note(kHalf - 1, 0);
  check.note(kHalf, 1);
  EXPECT_FALSE(check.are_keys_ignored());
  check.note(kHalf, 0);
  EXPECT_TRUE(check.are_keys_ignored());
}

TEST(PlacementCheck, ManyInTheirPlacesShowThatKeysCountAgain) {
  PlacementCheck check = two_shards();
  check.note(0, 1);
  for (uint32_t i = 0; i + 1 < PlacementCheck::kInPlaceEnough; ++i) check.note(0, 0);
  EXPECT_TRUE(check.are_keys_ignored());
  check.note(kLast, 0);
  for (uint32_t i = 0; i + 1 < PlacementCheck::kInPlaceEnough; ++i) check.note(0, 0);
  EXPECT_TRUE(check.are_keys_ignored());
  check.note(0, 0);
  EXPECT_FALSE(check.are_keys_ignored());
}

TEST(PlacementCheck, AReshardIsNoSign) {
  PlacementCheck check = two_shards();
  check.note(0, 7);  // a child that the map does not have
  EXPECT_FALSE(check.are_keys_ignored());
  // In mid-reshard parent and child are both open.
  check.set_shards(shards({{0, 0, kHalf - 1}, {1, kHalf, kLast}, {2, 0, 99}}));
  check.note(5, 0);
  check.note(5, 2);
  EXPECT_FALSE(check.are_keys_ignored());
  check.note(100, 2);
  EXPECT_TRUE(check.are_keys_ignored());
}

TEST(PlacementCheck, WithoutShardsNothingIsKnown) {
  PlacementCheck check;
  check.note(kLast, 0);
  EXPECT_FALSE(check.are_keys_ignored());
}

}  // namespace
}  // namespace penstock::daemon
