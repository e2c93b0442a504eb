#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/source_rig.h"
#include "ingest/syslog_source.h"

namespace penstock::ingest {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SyslogSessions : public testing::Test {
 protected:
  void open() {
    SyslogSettings settings;
    settings.message_bytes_max = 4000;
    settings.unwrap_json = true;
    rig_.open<SyslogSource>("syslog", std::move(settings));
  }
  // Events of as many entries as it takes: how many messages one read gives is the network's.
  std::vector<std::string> take_events(size_t count) {
    std::vector<std::string> events;
    while (events.size() < count) {
      const auto more = rig_.take_entry();
      if (more.empty()) break;
      events.insert(events.end(), more.begin(), more.end());
      rig_.deliver_entry();
    }
    return events;
  }

  SourceRig rig_{6000};
};

std::string message(std::string_view json) {
  return "<14>1 2024-06-11T08:15:00Z host app 1 - - " + std::string(json);
}
std::string counted(std::string_view json) {
  const std::string text = message(json);
  return std::to_string(text.size()) + " " + text;
}

TEST_F(SyslogSessions, TakeLinesUntilTheFirstCount) {
  open();
  Peer peer = rig_.connect();
  peer.send(message("{\"n\":1}\n") + counted("{\"n\":2}") + counted("{\"n\":3}"));
  EXPECT_THAT(take_events(3), ElementsAre("{\"n\":1}", "{\"n\":2}", "{\"n\":3}"));
}

TEST_F(SyslogSessions, EndWhenACountIsWrongAndKeepWhatWasWhole) {
  open();
  Peer peer = rig_.connect();
  peer.send(counted("{\"n\":1}") + message("{\"n\":2}\n") + counted("{\"n\":3}"));
  EXPECT_THAT(take_events(1), ElementsAre("{\"n\":1}"));
  EXPECT_THAT(peer.receive_rest(), IsEmpty());
  rig_.wait_refused("out_of_step");
  EXPECT_EQ(rig_.received(), 1u);
}

TEST_F(SyslogSessions, MakeNoRecordOfAnotherProtocol) {
  open();
  const std::pair<std::string, std::string> openings[] = {
      {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "http_on_this_port"},
      {"\x16\x03\x01hello\n", "tls_on_plain_port"},
      {"PROXY UNKNOWN\r\n<13>x\n", "proxy_protocol"}};
  for (const auto& [bytes, reason] : openings) {
    Peer peer = rig_.connect();
    peer.send(bytes);
    EXPECT_THAT(peer.receive_rest(), IsEmpty());
    rig_.wait_refused(reason);
  }
  EXPECT_EQ(rig_.received(), 0u);
}

TEST_F(SyslogSessions, TakeALastLineWithoutItsNewlineAndCountHalfAMessage) {
  open();
  Peer lines = rig_.connect();
  lines.send(message("{\"n\":1}"));
  lines.end_writing();
  EXPECT_THAT(take_events(1), ElementsAre("{\"n\":1}"));
  EXPECT_THAT(lines.receive_rest(), IsEmpty());

  Peer half = rig_.connect();
  half.send(counted("{\"n\":2}").substr(0, 20));
  half.end_writing();
  EXPECT_THAT(half.receive_rest(), IsEmpty());
  rig_.wait_refused("truncated");
  EXPECT_EQ(rig_.received(), 1u);
}

TEST_F(SyslogSessions, CountAMessageThatIsTooLargeAndTakeTheNext) {
  open();
  Peer peer = rig_.connect();
  peer.send(counted("{\"text\":\"" + std::string(5000, 'x') + "\"}") + counted("{\"n\":1}"));
  EXPECT_THAT(take_events(1), ElementsAre("{\"n\":1}"));
  rig_.wait_refused("too_large");
}

TEST_F(SyslogSessions, ReadNothingMoreUntilThereIsRoomAndLoseNothing) {
  open();
  Peer peer = rig_.connect();
  std::vector<std::string> sent;
  for (int i = 0; i < 20; ++i) {
    sent.push_back("{\"n\":" + std::to_string(i) + ",\"text\":\"" + std::string(2000, 'x') + "\"}");
    peer.send(counted(sent.back()));
  }
  peer.end_writing();
  EXPECT_EQ(take_events(20), sent);
  EXPECT_THAT(peer.receive_rest(), IsEmpty());
}

}  // namespace
}  // namespace penstock::ingest
