#include "route/partition_key.h"

#include <gtest/gtest.h>

#include <set>

#include "route/sample_events.h"

namespace penstock::route {
namespace {

std::vector<std::string> keys_of(const PartitionKey& key, const record::Batch& batch) {
  std::vector<std::string> keys;
  std::string scratch;
  record::EventView event;
  for (record::EntryReader reader(batch); reader.next(event);) {
    keys.emplace_back(key.of(batch, event, static_cast<uint32_t>(keys.size()), scratch));
  }
  return keys;
}

// The key of one record, in both encodings.
std::string key_of(const PartitionKey& key, const std::string& object) {
  const std::string in_json = keys_of(key, json_batch({object})).at(0);
  EXPECT_EQ(in_json, keys_of(key, msgpack_batch({object})).at(0));
  return in_json;
}

TEST(PartitionKey, RandomKeysSpreadAndStayTheSameForAnEvent) {
  const record::Batch batch = json_batch(std::vector<std::string>(1'000, "{}"));
  const auto keys = keys_of(PartitionKey::random(), batch);
  EXPECT_EQ(std::set(keys.begin(), keys.end()).size(), 1'000u);
  EXPECT_EQ(keys, keys_of(PartitionKey::random(), batch));

  record::Batch rest = json_batch({"{}"});  // the same event, sent again without those before it
  rest.first_index = 999;
  EXPECT_EQ(keys_of(PartitionKey::random(), rest).at(0), keys.at(999));
}

TEST(PartitionKey, TheTagIsOneKeyForAll) {
  EXPECT_EQ(keys_of(PartitionKey::tag(), json_batch({"{}", "{}"}, "app.shop")),
            (std::vector<std::string>{"app.shop", "app.shop"}));
  EXPECT_EQ(keys_of(PartitionKey::tag(), json_batch({"{}"}, "")).at(0).size(), 16u);
}

TEST(PartitionKey, AFieldIsTakenAsText) {
  const PartitionKey pod = PartitionKey::field({"kubernetes", "pod_name"});
  EXPECT_EQ(key_of(pod, R"({"kubernetes":{"pod_name":"web-\u00e9"}})"), "web-\u00e9");
  EXPECT_EQ(key_of(pod, R"({"kubernetes":{"pod_name":-17}})"), "-17");
  EXPECT_EQ(key_of(pod, R"({"kubernetes":{"pod_name":true}})"), "true");
}

TEST(PartitionKey, WithoutTheFieldItIsSpread) {
  const PartitionKey pod = PartitionKey::field({"kubernetes", "pod_name"});
  for (const std::string object :
       {R"({})", R"({"kubernetes":{"pod_name":null}})", R"({"kubernetes":{"pod_name":""}})",
        R"({"kubernetes":{"pod_name":{"a":1}}})", R"({"kubernetes":["pod_name"]})"}) {
    EXPECT_EQ(key_of(pod, object), key_of(PartitionKey::random(), object)) << object;
  }
}

TEST(PartitionKey, KeysAreCutAt256CharactersAndAreUtf8) {
  const PartitionKey field = PartitionKey::field({"k"});
  std::string euros;
  for (int i = 0; i < 300; ++i) euros += "\u20ac";
  EXPECT_EQ(key_of(field, "{\"k\":\"" + euros + "\"}"), euros.substr(0, 256 * 3));

  const auto broken = [&](const std::string& text) {
    return keys_of(field, json_batch({"{\"k\":\"" + text + "\"}"})).at(0);
  };
  EXPECT_EQ(broken("a\xff"
                   "b"),
            "a\ufffd"
            "b");
  EXPECT_EQ(broken("\\n\xe2\x82"), "\n\ufffd") << "undone and repaired in one";
  EXPECT_EQ(broken(std::string(300, '\xff')).size(), 256u * 3);
}

}  // namespace
}  // namespace penstock::route
