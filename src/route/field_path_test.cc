#include "route/field_path.h"

#include <gtest/gtest.h>

#include "record/event.h"
#include "route/sample_events.h"

namespace penstock::route {
namespace {

using Kind = FieldValue::Kind;
using record::Encoding;

struct Found {
  Kind kind;
  std::string text;
  bool operator==(const Found&) const = default;
};
void PrintTo(const Found& found, std::ostream* out) {
  *out << static_cast<int>(found.kind) << " " << found.text;
}

std::vector<Found> find_in(const record::Batch& batch, const std::vector<FieldPath>& paths) {
  std::vector<FieldSet::Wanted> wanted;
  for (const FieldPath& path : paths) wanted.push_back({path, true});
  const FieldSet set(wanted);
  std::vector<FieldValue> values(set.size());
  record::EventView event;
  record::EntryReader reader(batch);
  EXPECT_TRUE(reader.next(event));
  set.find(event.record, batch.encoding, values);
  std::vector<Found> found;
  std::string scratch;
  for (const FieldValue& value : values) {
    found.push_back({value.kind, std::string(value.text(scratch).value_or("-"))});
  }
  return found;
}

// In both encodings, which must agree.
std::vector<Found> find(const std::string& object, const std::vector<FieldPath>& paths) {
  auto in_json = find_in(json_batch({object}), paths);
  const auto in_msgpack = find_in(msgpack_batch({object}), paths);
  EXPECT_EQ(in_json, in_msgpack);
  return in_json;
}

TEST(FieldPath, FindsFieldsOnEveryLevelInOnePass) {
  const std::string object =
      R"({"z":[{"log_type":"no"}],"kubernetes":{"labels":{"app.kubernetes.io/name":"shop","n":7},)"
      R"("pod_name":"web-1"},"s":{"t":{"log_type":"no"}},"log_type":"audit","x":null})";
  EXPECT_EQ(find(object, {{"log_type"},
                          {"kubernetes", "pod_name"},
                          {"kubernetes", "labels", "app.kubernetes.io/name"},
                          {"kubernetes", "labels", "n"},
                          {"kubernetes"},
                          {"x"},
                          {"z"},
                          {"kubernetes", "log_type"},
                          {"kubernetes.pod_name"}}),
            (std::vector<Found>{{Kind::text, "audit"},
                                {Kind::text, "web-1"},
                                {Kind::text, "shop"},
                                {Kind::number, "7"},
                                {Kind::object, "-"},
                                {Kind::null, "-"},
                                {Kind::array, "-"},
                                {Kind::absent, "-"},
                                {Kind::absent, "-"}}));
}

TEST(FieldPath, ADottedKeyIsOneKey) {
  const std::string object = R"({"audit":{"linux":1},"audit.linux":{"type":"AVC"}})";
  EXPECT_EQ(find(object, {{"audit.linux"}, {"audit", "linux"}, {"audit.linux", "type"}}),
            (std::vector<Found>{{Kind::object, "-"}, {Kind::number, "1"}, {Kind::text, "AVC"}}));
}

TEST(FieldPath, TheSamePathMayBeWantedTwice) {
  EXPECT_EQ(find(R"({"a":"1","b":true})", {{"a"}, {"b"}, {"a"}}),
            (std::vector<Found>{{Kind::text, "1"}, {Kind::boolean, "true"}, {Kind::text, "1"}}));
}

TEST(FieldPath, EscapesOfKeysAndValuesAreUndone) {
  const std::string object = R"({"log\u005ftype":"a\"\u0042\\","b\\":{"\"c":"\n"}})";
  EXPECT_EQ(find(object, {{"log_type"}, {"b\\", "\"c"}}),
            (std::vector<Found>{{Kind::text, "a\"B\\"}, {Kind::text, "\n"}}));
}

TEST(FieldPath, WhitespaceAndTextThatLooksLikeJsonDoNotConfuse) {
  const auto found = find_in(
      json_batch({"{ \"message\" : \"{\\\"log_type\\\":\\\"audit\\\"}, }]\" ,\n\t\"n\" : -1.50e3 ,"
                  "\r\"log_type\"\n:\n\"application\" }"}),
      {{"log_type"}, {"n"}});
  EXPECT_EQ(found, (std::vector<Found>{{Kind::text, "application"}, {Kind::number, "-1.50e3"}}));
}

TEST(FieldPath, OfARepeatedKeyTheFirstCounts) {
  EXPECT_EQ(find_in(json_batch({R"({"a":1,"a":2})"}), {{"a"}}),
            (std::vector<Found>{{Kind::number, "1"}}));
}

TEST(FieldPath, KeysThatAreNoTextAreStepsOver) {
  record::Batch batch = msgpack_batch({R"({"k":{"a":-5},"f":0.5})"});
  // [time, {1: {"a": 9}, "k": …}]: the map's head and one pair put in front of the others
  ByteBuffer storage;
  storage.append(batch.storage.view().first(11));
  const uint8_t head[] = {0x83, 0x01, 0x81, 0xa1, 'a', 0x09};
  storage.append(ByteView(head));
  storage.append(batch.storage.view().subspan(12));
  batch.storage = std::move(storage);
  batch.entries_size = batch.storage.size();
  EXPECT_EQ(find_in(batch, {{"k", "a"}, {"f"}}),
            (std::vector<Found>{{Kind::number, "-5"}, {Kind::number, "0.5"}}));
}

TEST(FieldPath, LooksNoFurtherThanWhatIsRequired) {
  const std::vector<FieldSet::Wanted> wanted{{{"a"}, true}, {{"b"}, false}, {{"c"}, false}};
  const FieldSet set(wanted);
  std::vector<FieldValue> found(3);
  set.find(as_bytes(R"({"b":1,"a":2,"c":3})"), Encoding::json, found);
  EXPECT_EQ(found[0].raw, "2");
  EXPECT_EQ(found[1].raw, "1");
  EXPECT_EQ(found[2].kind, Kind::absent);
}

}  // namespace
}  // namespace penstock::route
