// Attributes in protobuf, as nearly all are sent and otherwise.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "protocol/otlp/logs.h"
#include "protocol/otlp/protobuf_writer.h"
#include "record/event.h"

namespace penstock::protocol::otlp {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using W = ProtobufWriter;

// The objects of the events.
std::vector<std::string> from_protobuf(std::string_view body) {
  const auto logs = decode_logs_protobuf(as_bytes(body), {{1'700'000'000, 1}, 16_MiB});
  std::vector<std::string> objects;
  if (!logs) return objects;
  record::EventView event;
  for (record::EntryReader reader(logs->events); reader.next(event);) {
    objects.emplace_back(as_text(event.record));
  }
  return objects;
}

// A body with one record that has this attribute.
std::string request(const std::string& attribute) {
  const std::string record = W().bytes(6, attribute).str();
  const std::string scope = W().bytes(2, record).str();
  return W().bytes(1, W().bytes(2, scope).str()).str();
}

std::string text(const std::string& value) { return W().bytes(1, value).str(); }
W usual(const std::string& key, const std::string& value) {
  return W().bytes(1, key).bytes(2, text(value));
}

// The usual pair is read at once, and any other by its fields: the outcome is the same.
TEST(OtlpProtobuf, PairsThatAreNearlyTheUsualOneAreReadByTheirFields) {
  const std::string seven = W().varint(3, 7).str();
  const std::vector<std::pair<W, std::string>> pairs = {
      {usual("k", "v"), R"("k":"v")"},
      {usual("", ""), R"("":"")"},
      {usual("k\"", "a\n\xff"), "\"k\\\"\":\"a\\n\xef\xbf\xbd\""},
      {W().bytes(2, text("v")).bytes(1, "k"), R"("k":"v")"},
      {usual("k", "v").bytes(1, "l"), R"("l":"v")"},
      {usual("k", "v").bytes(2, seven), R"("k":7)"},
      {usual("k", "v").varint(9, 1), R"("k":"v")"},
      {W().bytes(1, "k").bytes(3, text("v")), R"("k":null)"},
      {W().bytes(3, "k").bytes(2, text("v")), R"("":"v")"},
      {W().bytes(1, "k").bytes(2, seven), R"("k":7)"},
      {W().bytes(1, "k").bytes(2, text("v") + seven), R"("k":7)"},
      {W().bytes(1, "k").bytes(2, text("v") + text("w")), R"("k":"w")"},
      {W().bytes(1, "k").bytes(2, ""), R"("k":null)"},
      {W().bytes(1, "k"), R"("k":null)"},
  };
  for (const auto& [pair, member] : pairs) {
    EXPECT_THAT(from_protobuf(request(pair.str())),
                ElementsAre(R"({"attributes":{)" + member + "}}"));
  }
}

TEST(OtlpProtobuf, LengthsOfOneByteAndOfMoreAreRead) {
  for (const size_t key_size : {1u, 60u, 125u, 126u, 127u, 128u, 300u}) {
    for (const size_t size : {0u, 1u, 123u, 124u, 125u, 126u, 127u, 128u, 300u, 20'000u}) {
      const std::string key(key_size, 'k');
      const std::string value(size, 'v');
      EXPECT_THAT(from_protobuf(request(usual(key, value).str())),
                  ElementsAre(R"({"attributes":{")" + key + R"(":")" + value + R"("}})"));
    }
  }
}

TEST(OtlpProtobuf, APairThatIsCutOffIsNone) {
  const std::string whole = usual("key", "text").str();
  for (size_t size = 1; size < whole.size(); ++size) {
    EXPECT_THAT(from_protobuf(request(whole.substr(0, size))),
                SizeIs(size == 5 ? 1 : 0))  // 5: the key alone is a pair
        << size;
  }
  for (int by = -3; by <= 3; ++by) {
    std::string wrong = whole;
    wrong[6] = static_cast<char>(wrong[6] + by);  // the length of the value
    EXPECT_THAT(from_protobuf(request(wrong)), SizeIs(by == 0 ? 1 : 0)) << by;
  }
}

// Strings are loaded 16 bytes at once, but never from behind the body (a sanitizer would see it).
TEST(OtlpProtobuf, ShortStringsAtTheEndOfAProtobufBodyAndAbsentOnesAreRead) {
  for (size_t size = 0; size <= 40; ++size) {
    const std::string value(size, 'x');
    const std::string body = request(usual("k", value).str());
    const std::vector<char> exact(body.begin(), body.end());
    EXPECT_THAT(from_protobuf({exact.data(), exact.size()}),
                ElementsAre(R"({"attributes":{"k":")" + value + R"("}})"));
  }
  EXPECT_THAT(from_protobuf(request("")), ElementsAre(R"({"attributes":{"":null}})"));
}

}  // namespace
}  // namespace penstock::protocol::otlp
