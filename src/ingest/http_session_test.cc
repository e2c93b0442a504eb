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
    settings.repeat_window = seconds(60);
    rig_.open<HttpSource>("http", std::move(settings));
  }

  // The event is stored, and not delivered.
  void send_and_hang_up(const std::string& request_of_one) {
    Peer peer = rig_.connect();
    peer.send(request_of_one);
    EXPECT_THAT(rig_.take_entry(), ElementsAre("{\"n\":1}"));
    peer.hang_up();
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

TEST_F(HttpSessions, TakeARequestThatIsSentAgainAfterAnAckTimeoutForTheSame) {
  open(milliseconds(50));
  const std::string same = request("{\"n\":1}");
  Peer first = rig_.connect();
  first.send(same);
  EXPECT_THAT(answer_to(first), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(rig_.take_entry(), ElementsAre("{\"n\":1}"));
  Peer second = rig_.connect();
  second.send(same);
  EXPECT_THAT(answer_to(second), StartsWith("HTTP/1.1 503 ")) << "the first copy is not delivered";
  rig_.deliver_entry();
  second.send(same);
  const std::string answer = answer_to(second);
  EXPECT_THAT(answer, StartsWith(kOk));
  EXPECT_THAT(answer, HasSubstr("{\"events\":1,\"malformed\":0}"));
  EXPECT_TRUE(rig_.has_no_entry());
  EXPECT_EQ(rig_.received(), 1u);
}

TEST_F(HttpSessions, TakeARequestThatIsSentAgainBehindALostConnectionForTheSame) {
  open();
  const std::string same = request("{\"n\":1}");
  send_and_hang_up(same);
  Peer second = rig_.connect();
  second.send(same);
  EXPECT_FALSE(second.has_bytes());
  rig_.deliver_entry();
  EXPECT_THAT(answer_to(second), StartsWith(kOk));
  EXPECT_TRUE(rig_.has_no_entry());

  // It has been answered: the same once more is another one.
  second.send(same);
  EXPECT_THAT(rig_.take_entry(), ElementsAre("{\"n\":1}"));
}

// The answer to a peer that is gone is being written when the request comes again.
TEST_F(HttpSessions, WaitWhetherTheAnswerToAPeerThatHasHungUpArrives) {
  open();
  const std::string same = request("{\"n\":1}");
  send_and_hang_up(same);
  rig_.deliver_entry();
  Peer second = rig_.connect();
  second.send(same);
  EXPECT_THAT(answer_to(second), StartsWith(kOk));
  EXPECT_TRUE(rig_.has_no_entry());
}

TEST_F(HttpSessions, KeepEqualRequestsApartThatAreEachAnswered) {
  open();
  const std::string same = request("{\"n\":1}", "Connection: close\r\n");
  for (int i = 0; i < 3; ++i) {
    Peer peer = rig_.connect();
    peer.send(same);
    peer.end_writing();  // half-closed: it still waits for its answer
    EXPECT_THAT(rig_.take_entry(), ElementsAre("{\"n\":1}")) << i;
    rig_.deliver_entry();
    EXPECT_THAT(peer.receive_rest(), StartsWith(kOk));
  }
  EXPECT_EQ(rig_.received(), 3u);
}

TEST_F(HttpSessions, AskForTheSecretsInForceAtEachRequest) {
  const auto settings_with = [](std::string_view token) {
    auto access = std::make_shared<auth::Access>();
    access->listed.add_bearer_token(token);
    HttpSettings settings;
    settings.access = std::move(access);
    return settings;
  };
  rig_.open<HttpSource>("http", settings_with("old"));
  const auto send = [](Peer& peer, std::string_view token) {
    peer.send(request("[]", "Authorization: Bearer " + std::string(token) + "\r\n"));
    return answer_to(peer);
  };
  Peer known = rig_.connect();
  Peer other = rig_.connect();
  EXPECT_THAT(send(known, "old"), StartsWith(kOk));
  EXPECT_THAT(send(other, "old"), StartsWith(kOk));
  rig_.source().reconfigure(std::make_shared<const HttpSettings>(settings_with("new")), 1024);
  EXPECT_THAT(send(known, "old"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(send(other, "new"), StartsWith(kOk));
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
