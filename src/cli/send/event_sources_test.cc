#include "cli/send/event_sources.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>

#include "cli/send/json_to_msgpack.h"
#include "cli/send/sample_record.h"
#include "kinesis_format/openshift_samples.h"

namespace penstock::cli {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using Outcome = EventSource::Outcome;

SteadyTime soon() { return Clock::system().steady() + seconds(20); }

class Lines : public ::testing::Test {
 protected:
  Lines() {
    EXPECT_EQ(::pipe(fds.data()), 0);
    source = make_line_source(fds[0], false);
  }
  ~Lines() override {
    ::close(fds[0]);
    end();
  }
  void write(std::string_view text) {
    ASSERT_EQ(::write(fds[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void end() {
    if (fds[1] >= 0) ::close(std::exchange(fds[1], -1));
  }
  std::string next() {
    EXPECT_EQ(source->next(event, soon()).value(), Outcome::event);
    return std::string(as_text(event.json.view()));
  }

  std::array<int, 2> fds{};
  std::unique_ptr<EventSource> source;
  OutgoingEvent event;
};

TEST_F(Lines, AreRecordsWhenTheyAreJsonAndMessagesWhenNot) {
  write("{\"a\": 1, \"b\":[true,null]}\n\nplain line\r\n[1,2]\n{\"broken\"\n{} and more\nlast");
  end();
  EXPECT_EQ(next(), R"({"a":1,"b":[true,null]})");
  EXPECT_EQ(event.line, "");
  EXPECT_EQ(next(), R"({"message":"plain line"})");
  EXPECT_EQ(event.line, "plain line");
  EXPECT_EQ(next(), R"({"message":"[1,2]"})");
  EXPECT_EQ(next(), R"({"message":"{\"broken\""})");
  EXPECT_EQ(next(), R"({"message":"{} and more"})");
  EXPECT_EQ(next(), R"({"message":"last"})");
  EXPECT_EQ(source->next(event, soon()).value(), Outcome::end);
}

TEST_F(Lines, ThatHaveNotComeYetAreNotWaitedForBeyondTheTime) {
  write("{\"a\":1}\n{\"half\":");
  EXPECT_EQ(next(), R"({"a":1})");
  EXPECT_EQ(source->next(event, Clock::system().steady()).value(), Outcome::nothing_yet);
  write("2}\n");
  EXPECT_EQ(next(), R"({"half":2})");
}

TEST_F(Lines, KeepTheirBytesForHttp) {
  source = make_line_source(fds[0], true);
  write("  {\"a\": 1.50}  \n");
  EXPECT_EQ(next(), "{\"a\": 1.50}");
  EXPECT_EQ(event.id, id_of_record(as_bytes("{\"a\": 1.50}")));
}

TEST_F(Lines, AreKnownByAHashOfWhatIsStored) {
  write("{\"a\": 1}\n{\"a\":1}\n{\"a\":2}\n");
  next();
  const std::string first = event.id;
  EXPECT_EQ(first.size(), 32u);
  next();
  EXPECT_EQ(event.id, first);
  next();
  EXPECT_NE(event.id, first);
}

// The published value of XXH3's 128-bit hash of nothing.
TEST(IdOfRecord, IsTheHighHalfFirst) {
  EXPECT_EQ(id_of_record({}), "99aa06d3014798d86001c324468d497f");
}

TEST_F(Lines, AreKnownByTheIdTheyCarry) {
  write("{\"a\":{\"penstock_id\":\"no\"},\"penstock_id\":\"mine\"}\n");
  next();
  EXPECT_EQ(event.id, "mine");
}

TEST(JsonToMsgpack, TakesEverySampleRecordAsItIs) {
  for (const auto& record : kinesis_format::read_all_samples()) {
    ByteBuffer out;
    ASSERT_TRUE(append_json_as_msgpack(out, record.dump()));
    EXPECT_EQ(json::from_msgpack(out.data(), out.data() + out.size()), json(record));
  }
}

TEST(JsonToMsgpack, KeepsIntegersExactAndOtherNumbersNear) {
  ByteBuffer out;
  ASSERT_TRUE(append_json_as_msgpack(
      out, R"( {"max":18446744073709551615,"min":-9223372036854775808,"big":18446744073709551616,)"
           R"("e":1e3,"f":-0.1,"z":-0,"text":"\u00e9\ud83d\ude00\n","empty":{},"none":[]} )"));
  const json read = json::from_msgpack(out.data(), out.data() + out.size());
  EXPECT_EQ(read["max"], 18446744073709551615u);
  EXPECT_EQ(read["min"], std::numeric_limits<int64_t>::min());
  EXPECT_EQ(read["big"], 18446744073709551616.0);
  EXPECT_EQ(read["e"], 1000.0);
  EXPECT_EQ(read["f"], -0.1);
  EXPECT_EQ(read["text"], "é😀\n");
  EXPECT_EQ(read["empty"], json::object());
  EXPECT_EQ(read["none"], json::array());
}

TEST(JsonToMsgpack, RefusesWhatIsNotOneObject) {
  ByteBuffer out;
  for (const char* line : {"", "  ", "[]", "1", "{", "{}{}", "{\"a\":}", "{'a':1}"}) {
    EXPECT_FALSE(append_json_as_msgpack(out, line)) << line;
  }
  EXPECT_TRUE(out.empty());
}

TEST(Generator, MakesTheSameRecordsOfAboutTheUsualSizeWithTheirIds) {
  const auto first = make_generator("run", 50);
  const auto second = make_generator("run", 50);
  size_t bytes = 0;
  OutgoingEvent a;
  OutgoingEvent b;
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(first->next(a, soon()).value(), Outcome::event);
    ASSERT_EQ(second->next(b, soon()).value(), Outcome::event);
    json record = json::parse(as_text(a.json.view()));
    json again = json::parse(as_text(b.json.view()));
    EXPECT_EQ(record[kIdField], "run-" + std::to_string(i));
    EXPECT_EQ(a.id, "run-" + std::to_string(i));
    EXPECT_EQ(record["log_type"], "application");
    record.erase("@timestamp");
    again.erase("@timestamp");
    EXPECT_EQ(record, again);
    bytes += a.json.size();
  }
  EXPECT_EQ(first->next(a, soon()).value(), Outcome::end);
  EXPECT_GT(bytes / 50, 1100u);
  EXPECT_LT(bytes / 50, 1500u);
}

}  // namespace
}  // namespace penstock::cli
