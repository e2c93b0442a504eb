#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/http_source.h"
#include "ingest/source_rig.h"

namespace penstock::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr const char* kOk = "HTTP/1.1 200 OK";

std::string request(std::string_view body, std::string_view more = "") {
  return "POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + std::string(more) + "\r\n" + std::string(body);
}
std::string answer_to(Peer& peer) {
  std::string head = peer.receive_to("\r\n\r\n");
  return head + peer.receive_to("\n");
}

class HttpSessions : public testing::Test {
 protected:
  void open(nanoseconds ack_timeout = kPatience) {
    HttpSettings settings;
    settings.body_bytes_max = 64_KiB;
    settings.ack_timeout = ack_timeout;
    rig_.open<HttpSource>("http", std::move(settings));
  }

  SourceRig rig_{4000};
};

TEST_F(HttpSessions, AnswerWhenTheEventsAreDeliveredAndNotBefore) {
  open();
  Peer peer = rig_.connect();
  peer.send(request("{\"n\":1}\n{\"n\":2}\n"));
  EXPECT_THAT(rig_.take_entry(), ElementsAre("{\"n\":1}", "{\"n\":2}"));
  EXPECT_FALSE(peer.has_bytes());
  rig_.deliver_entry();
  const std::string answer = answer_to(peer);
  EXPECT_THAT(answer, StartsWith(kOk));
  EXPECT_THAT(answer, HasSubstr("{\"events\":2,\"malformed\":0}"));
}

TEST_F(HttpSessions, TakeAPipelinedRequestOnceTheOneBeforeIsAnswered) {
  open();
  Peer peer = rig_.connect();
  peer.send(request("[{\"n\":1}]") + request("[{\"n\":2}]"));
  EXPECT_THAT(rig_.take_entry(), ElementsAre("{\"n\":1}"));
  EXPECT_TRUE(rig_.has_no_entry());
  rig_.deliver_entry();
  EXPECT_THAT(answer_to(peer), StartsWith(kOk));
  EXPECT_THAT(rig_.take_entry(), ElementsAre("{\"n\":2}"));
  rig_.deliver_entry();
  EXPECT_THAT(answer_to(peer), StartsWith(kOk));
}

TEST_F(HttpSessions, SayNotNowWhenDeliveryTakesTooLongButKeepWhatWasAdmitted) {
  open(milliseconds(50));
  Peer peer = rig_.connect();
  peer.send(request("{\"n\":1}"));
  const std::string answer = answer_to(peer);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("Retry-After: 1\r\n"));
  rig_.wait_refused("ack_timeout");
  EXPECT_THAT(rig_.take_entry(), ElementsAre("{\"n\":1}"));
  EXPECT_EQ(rig_.received(), 1u);
}

TEST_F(HttpSessions, KeepNothingOfARequestThatFoundNoRoom) {
  open(milliseconds(50));
  Peer first = rig_.connect();
  const std::string large = "{\"text\":\"" + std::string(3000, 'x') + "\"}";
  first.send(request(large));
  EXPECT_THAT(rig_.take_entry(), ElementsAre(large));
  Peer second = rig_.connect();
  second.send(request(large));
  EXPECT_THAT(answer_to(second), StartsWith("HTTP/1.1 503 "));
  rig_.wait_refused("no_room");
  rig_.deliver_entry();
  EXPECT_TRUE(rig_.has_no_entry());
  EXPECT_EQ(rig_.received(), 1u);

  // The connection goes on, and there is room again.
  second.send(request("{\"n\":2}"));
  EXPECT_THAT(rig_.take_entry(), ElementsAre("{\"n\":2}"));
}

TEST_F(HttpSessions, AnswerABrokenRequestAndHangUp) {
  open();
  for (const auto& [bytes, status] :
       {std::pair<std::string, std::string>{"nonsense\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
        {request(std::string(70'000, ' ')), "413"},
        {"POST / HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n", "431"}}) {
    Peer peer = rig_.connect();
    peer.send(bytes);
    const std::string all = peer.receive_rest();
    EXPECT_THAT(all, StartsWith("HTTP/1.1 " + status)) << bytes.substr(0, 40);
    EXPECT_THAT(all, HasSubstr("Connection: close\r\n")) << bytes.substr(0, 40);
  }
  EXPECT_EQ(rig_.received(), 0u);
}

TEST_F(HttpSessions, GoOnAfterABodyThatDoesNotParse) {
  open();
  Peer peer = rig_.connect();
  peer.send(request("nonsense"));
  EXPECT_THAT(answer_to(peer), StartsWith("HTTP/1.1 400 "));
  rig_.wait_refused("not_json");
  peer.send(request("{\"n\":1}"));
  EXPECT_THAT(rig_.take_entry(), ElementsAre("{\"n\":1}"));
}

TEST_F(HttpSessions, CountARequestThatIsCutOff) {
  open();
  Peer peer = rig_.connect();
  peer.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"n\":");
  peer.end_writing();
  EXPECT_THAT(peer.receive_rest(), IsEmpty());
  rig_.wait_refused("truncated");
}

TEST_F(HttpSessions, EndBetweenRequestsWhenAskedToAndAnswerWhatIsUnderWayFirst) {
  open();
  Peer idle = rig_.connect();
  idle.send(request("[]"));
  EXPECT_THAT(answer_to(idle), Not(HasSubstr("Connection: close")));
  Peer busy = rig_.connect();
  busy.send(request("{\"n\":1}"));
  EXPECT_THAT(rig_.take_entry(), ElementsAre("{\"n\":1}"));
  rig_.source().stop_accepting();
  rig_.source().half_close();
  EXPECT_THAT(idle.receive_rest(), IsEmpty());
  rig_.deliver_entry();
  const std::string last = busy.receive_rest();
  EXPECT_THAT(last, StartsWith(kOk));
  EXPECT_THAT(last, HasSubstr("Connection: close\r\n"));
}

}  // namespace
}  // namespace penstock::ingest
