#include "kinesis/shard_map.h"

#include <gtest/gtest.h>

#include "kinesis_format/md5.h"

namespace penstock::kinesis {
namespace {

constexpr HashKey kLast = ~HashKey{0};

ShardMap uniform(uint32_t count) {
  std::vector<Shard> shards;
  const HashKey step = kLast / count;
  for (uint32_t i = 0; i < count; ++i) {
    shards.push_back({i, step * i, i + 1 == count ? kLast : step * (i + 1) - 1});
  }
  return ShardMap(std::move(shards));
}

TEST(ShardMap, KeysFallWhereTheServicePutsThem) {
  const auto key = [](const char* text) { return *kinesis_format::parse_decimal(text); };
  const ShardMap map({{3, key("255211775190703847597530955573826158592"), kLast},
                      {0, 0, key("85070591730234615865843651857942052863")},
                      {1, key("85070591730234615865843651857942052864"),
                       key("170141183460469231731687303715884105727")},
                      {2, key("170141183460469231731687303715884105728"),
                       key("255211775190703847597530955573826158591")}});
  EXPECT_EQ(map.find(kinesis_format::hash_key_of("a"))->number, 0u);
  EXPECT_EQ(map.find(kinesis_format::hash_key_of("b"))->number, 2u);
  EXPECT_EQ(map.find(0)->number, 0u);
  EXPECT_EQ(map.find(kLast)->number, 3u);
  EXPECT_EQ(map.find(key("85070591730234615865843651857942052863"))->number, 0u);
  EXPECT_EQ(map.find(key("85070591730234615865843651857942052864"))->number, 1u);
}

TEST(ShardMap, MiddleOfEachShardIsItsOwn) {
  for (const uint32_t count : {1u, 2u, 7u, 1000u}) {
    const ShardMap map = uniform(count);
    for (const Shard& shard : map.shards()) {
      EXPECT_EQ(map.find(shard.middle())->number, shard.number);
    }
  }
}

TEST(ShardMap, HolesBelongToNobody) {
  const ShardMap map({{0, 0, 99}, {1, 200, kLast}});
  EXPECT_EQ(map.find(150), nullptr);
  EXPECT_EQ(map.find(99)->number, 0u);
  EXPECT_EQ(ShardMap({}).find(0), nullptr);
  EXPECT_TRUE(map.has(1));
  EXPECT_FALSE(map.has(2));
}

TEST(ShardMap, IdsHaveTwelveDigits) {
  EXPECT_EQ(shard_id_text(0), "shardId-000000000000");
  EXPECT_EQ(shard_id_text(4294967295u), "shardId-004294967295");
}

}  // namespace
}  // namespace penstock::kinesis
