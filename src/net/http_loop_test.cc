#include "net/http_loop.h"

#include <gmock/gmock.h>

#include <thread>

#include "net/https_client.h"
#include "net/scripted_http_server.h"

namespace penstock::net {
namespace {

using Reply = ScriptedHttpServer::Reply;
using Request = ScriptedHttpServer::Request;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

HttpRequest post_to(const std::string& url, std::string_view body = "body") {
  HttpRequest request;
  request.url = url;
  request.body = ByteBuffer::copy_of(as_bytes(body));
  return request;
}

Reply ok(std::string body = "fine") {
  Reply reply;
  reply.body = std::move(body);
  return reply;
}

Reply misdeed(Reply::Action action) {
  Reply reply = ok("twelve bytes");
  reply.action = action;
  return reply;
}

TEST(HttpLoop, AnswerCarriesStatusHeadersAndBothBodies) {
  ScriptedHttpServer server([](const Request&) {
    Reply reply = ok("{}");
    reply.status = 400;
    reply.headers = {"x-amzn-RequestId: r-1", "Date: Mon, 23 Nov 2026 06:30:00 GMT",
                     "X-Amzn-ErrorType:  Oops  ", "x-amz-retry-after: 250",
                     "Content-Type: application/x-amz-json-1.1"};
    return reply;
  });
  HttpsClient client;
  HttpRequest request = post_to(server.url("/path"), "hello");
  request.headers = {"X-Amz-Target: Kinesis_20131202.PutRecords", "Content-Type: x"};
  const HttpResponse response = client.fetch(std::move(request));

  EXPECT_EQ(response.failure, HttpFailure::none);
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.request_id, "r-1");
  EXPECT_EQ(response.date, "Mon, 23 Nov 2026 06:30:00 GMT");
  EXPECT_EQ(response.error_type, "Oops");
  EXPECT_EQ(response.retry_after_ms, 250);
  EXPECT_EQ(response.content_type, "application/x-amz-json-1.1");
  EXPECT_EQ(as_text(response.body.view()), "{}");
  EXPECT_EQ(as_text(response.request_body.view()), "hello");
  EXPECT_EQ(response.written, RequestWritten::all);

  const Request seen = server.requests().at(0);
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/path");
  EXPECT_EQ(seen.body, "hello");
  EXPECT_EQ(seen.headers.at("x-amz-target"), "Kinesis_20131202.PutRecords");
  EXPECT_FALSE(seen.headers.contains("expect"));
}

TEST(HttpLoop, LargeBodyArrivesWholeWithoutAskingForLeave) {
  ScriptedHttpServer server([](const Request&) { return ok(); });
  HttpsClient client;
  std::string body(6u << 20, 'x');
  body[4'000'000] = 'y';
  const HttpResponse response = client.fetch(post_to(server.url(), body));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.written, RequestWritten::all);
  EXPECT_TRUE(server.requests().at(0).body == body);
  EXPECT_FALSE(server.requests().at(0).headers.contains("expect"));
}

TEST(HttpLoop, OtherMethodsGoOut) {
  ScriptedHttpServer server([](const Request& request) { return ok(request.method); });
  HttpsClient client;
  for (const char* method : {"GET", "PUT", "POST", "GET"}) {
    HttpRequest request;
    request.method = method;
    request.url = server.url();
    EXPECT_EQ(as_text(client.fetch(std::move(request)).body.view()), method);
  }
}

TEST(HttpLoop, ConnectionIsKept) {
  ScriptedHttpServer server([](const Request&) { return ok(); });
  HttpsClient client;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.fetch(post_to(server.url())).status, 200);
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpLoop, StaleConnectionCostsNoTry) {
  ScriptedHttpServer server([](const Request&) { return ok(); });
  HttpsClient client;
  EXPECT_EQ(client.fetch(post_to(server.url())).status, 200);
  server.close_connections();

  const HttpResponse response = client.fetch(post_to(server.url(), "again"));
  EXPECT_EQ(response.failure, HttpFailure::none);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(server.requests().back().body, "again");
  EXPECT_EQ(server.connections(), 2);
}

TEST(HttpLoop, KeptConnectionThatDiesOnTheRequestIsTriedOnceMoreAndReported) {
  int calls = 0;
  ScriptedHttpServer server(
      [&](const Request&) { return ++calls == 1 ? ok() : misdeed(Reply::Action::close); });
  HttpsClient client;
  EXPECT_EQ(client.fetch(post_to(server.url())).status, 200);
  const HttpResponse response = client.fetch(post_to(server.url(), "twice"));
  EXPECT_EQ(response.failure, HttpFailure::reset);
  EXPECT_TRUE(response.resent);
  EXPECT_TRUE(response.outcome_unknown());
  EXPECT_EQ(server.requests().size(), 3u);  // the first exchange, then two copies, never a third
}

TEST(HttpLoop, AnswerOnTheSecondCopyIsMarked) {
  int calls = 0;
  ScriptedHttpServer server(
      [&](const Request&) { return ++calls == 2 ? misdeed(Reply::Action::close) : ok(); });
  HttpsClient client;
  EXPECT_EQ(client.fetch(post_to(server.url())).status, 200);
  const HttpResponse response = client.fetch(post_to(server.url(), std::string(500'000, 'z')));
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.resent);
  EXPECT_EQ(server.requests().back().body.size(), 500'000u);
}

TEST(HttpLoop, EndWithoutAnswerIsAnUnknownOutcome) {
  ScriptedHttpServer server([](const Request&) { return misdeed(Reply::Action::close); });
  HttpsClient client;
  const HttpResponse response = client.fetch(post_to(server.url()));
  EXPECT_EQ(response.failure, HttpFailure::reset);
  EXPECT_EQ(response.written, RequestWritten::all);
  EXPECT_TRUE(response.outcome_unknown());
  EXPECT_FALSE(response.resent);
  EXPECT_EQ(as_text(response.request_body.view()), "body");
}

TEST(HttpLoop, EndInMidAnswerIsAReset) {
  ScriptedHttpServer server([](const Request&) { return misdeed(Reply::Action::close_midway); });
  HttpsClient client;
  const HttpResponse response = client.fetch(post_to(server.url()));
  EXPECT_EQ(response.failure, HttpFailure::reset);
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.outcome_unknown());
}

TEST(HttpLoop, RequestCutInMidBodyCannotHaveBeenAccepted) {
  ScriptedHttpServer server([](const Request&) { return ok(); });
  server.cut_after_body_bytes(100'000);
  HttpsClient client;
  const HttpResponse response = client.fetch(post_to(server.url(), std::string(32u << 20, 'x')));
  EXPECT_EQ(response.failure, HttpFailure::reset);
  EXPECT_EQ(response.written, RequestWritten::part);
  EXPECT_FALSE(response.outcome_unknown());
}

TEST(HttpLoop, SilentServerEndsAtTheFirstByteDeadline) {
  ScriptedHttpServer server([](const Request&) { return misdeed(Reply::Action::hang); });
  HttpsClient client;
  HttpRequest request = post_to(server.url());
  request.timeouts.first_byte = milliseconds(80);
  const HttpResponse response = client.fetch(std::move(request));
  EXPECT_EQ(response.failure, HttpFailure::timeout);
  EXPECT_TRUE(response.outcome_unknown());
  EXPECT_THAT(response.failure_text, HasSubstr("deadline"));
}

TEST(HttpLoop, WholeDeadlineEndsIt) {
  ScriptedHttpServer server([](const Request&) { return misdeed(Reply::Action::hang); });
  HttpsClient client;
  HttpRequest request = post_to(server.url());
  request.timeouts.whole = milliseconds(50);
  const HttpResponse response = client.fetch(std::move(request));
  EXPECT_EQ(response.failure, HttpFailure::timeout);
  EXPECT_TRUE(response.outcome_unknown());
}

TEST(HttpLoop, RefusedConnectionIsToldFromALostAnswer) {
  int port = 0;
  {
    ScriptedHttpServer gone([](const Request&) { return ok(); });
    port = gone.port();
  }
  HttpsClient client;
  const HttpResponse response = client.fetch(post_to("http://127.0.0.1:" + std::to_string(port)));
  EXPECT_EQ(response.failure, HttpFailure::connect);
  EXPECT_EQ(response.written, RequestWritten::none);
  EXPECT_FALSE(response.outcome_unknown());
}

TEST(HttpLoop, PlainServerOnATlsUrlIsATlsFailure) {
  ScriptedHttpServer server([](const Request&) { return misdeed(Reply::Action::garbage); });
  HttpsClient client;
  HttpRequest request = post_to("https://127.0.0.1:" + std::to_string(server.port()));
  request.timeouts.connect = milliseconds(2'000);
  // The server waits for a header end in the hello; cut it so that the handshake ends.
  std::thread closer([&] {
    while (server.connections() == 0) std::this_thread::yield();
    server.close_connections();
  });
  const HttpResponse response = client.fetch(std::move(request));
  closer.join();
  EXPECT_EQ(response.failure, HttpFailure::tls) << response.failure_text;
  EXPECT_FALSE(response.outcome_unknown());
}

TEST(HttpLoop, GarbageIsABadResponse) {
  ScriptedHttpServer server([](const Request&) { return misdeed(Reply::Action::garbage); });
  HttpsClient client;
  const HttpResponse response = client.fetch(post_to(server.url()));
  EXPECT_EQ(response.failure, HttpFailure::bad_response) << response.failure_text;
}

TEST(HttpLoop, BadUrlFailsByItself) {
  HttpsClient client;
  EXPECT_EQ(client.fetch(post_to("http://")).failure, HttpFailure::internal);
  EXPECT_NE(client.fetch(post_to("file:///etc/passwd")).failure, HttpFailure::none);
}

TEST(HttpLoop, AnswerOverItsBoundIsCutOff) {
  ScriptedHttpServer server([](const Request&) { return ok(std::string(100'000, 'x')); });
  HttpsClient client;
  HttpRequest request = post_to(server.url());
  request.response_bytes_max = 99'999;
  EXPECT_EQ(client.fetch(std::move(request)).failure, HttpFailure::response_too_large);
  request = post_to(server.url());
  request.response_bytes_max = 100'000;
  EXPECT_EQ(client.fetch(std::move(request)).body.size(), 100'000u);
}

TEST(HttpLoop, ManyExchangesShareTheAllowedConnections) {
  ScriptedHttpServer server([](const Request& request) { return ok(request.body); });
  HttpLoop loop({.connections_max = 3});
  int answered = 0;
  for (int i = 0; i < 50; ++i) {
    loop.start(post_to(server.url(), std::to_string(i)), [&, i](HttpResponse response) {
      EXPECT_EQ(as_text(response.body.view()), std::to_string(i));
      ++answered;
    });
  }
  EXPECT_EQ(loop.under_way(), 50u);
  while (answered < 50) loop.turn(milliseconds(1'000));
  EXPECT_EQ(loop.under_way(), 0u);
  EXPECT_LE(server.connections(), 3);
}

TEST(HttpLoop, CanceledExchangeGivesItsBodyBack) {
  ScriptedHttpServer server([](const Request&) { return misdeed(Reply::Action::hang); });
  HttpLoop loop({.connections_max = 1});
  std::vector<std::string> bodies;
  const auto note = [&](HttpResponse response) {
    EXPECT_EQ(response.failure, HttpFailure::canceled);
    bodies.emplace_back(as_text(response.request_body.view()));
  };
  const auto running = loop.start(post_to(server.url(), "running"), note);
  const auto waiting = loop.start(post_to(server.url(), "waiting"), note);
  while (server.requests().empty()) loop.turn(milliseconds(10));
  loop.cancel(waiting);
  loop.cancel(running);
  loop.cancel(running);
  EXPECT_TRUE(bodies.empty());  // never called back from inside cancel()
  loop.turn(milliseconds(10));
  EXPECT_THAT(bodies, ElementsAre("waiting", "running"));
}

TEST(HttpLoop, WorkFromOtherThreadsRunsOnTheLoop) {
  HttpLoop loop({});
  std::thread thread([&] { loop.run(); });
  const auto loop_thread = thread.get_id();
  int count = 0;  // touched by the loop only
  for (int i = 0; i < 1'000; ++i) {
    loop.post([&] {
      EXPECT_EQ(std::this_thread::get_id(), loop_thread);
      ++count;
    });
  }
  loop.post([&] { loop.stop(); });
  thread.join();
  EXPECT_EQ(count, 1'000);
}

TEST(HttpLoop, TimersFireInOrderAndCanBeCanceled) {
  HttpLoop loop({});
  std::vector<int> fired;
  loop.call_after(milliseconds(6), [&] { fired.push_back(2); });
  const auto canceled = loop.call_after(milliseconds(4), [&] { fired.push_back(9); });
  loop.call_after(milliseconds(1), [&] {
    fired.push_back(1);
    loop.call_after(milliseconds(7), [&] {
      fired.push_back(3);
      loop.stop();
    });
  });
  EXPECT_TRUE(loop.cancel_timer(canceled));
  EXPECT_FALSE(loop.cancel_timer(canceled));
  loop.run();
  EXPECT_THAT(fired, ElementsAre(1, 2, 3));
}

TEST(HttpLoop, WorkThatWantsToBeCalledInThePastKeepsNobodyWaiting) {
  HttpLoop loop({});
  int calls = 0;
  std::function<void()> again = [&] {
    ASSERT_LT(++calls, 1'000'000);
    loop.call_at(SteadyTime{}, again);
  };
  again();
  bool others_had_their_turn = false;
  loop.call_after(milliseconds(1), [&] {
    others_had_their_turn = true;
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  EXPECT_TRUE(others_had_their_turn);
}

TEST(HttpLoop, CallbackMayStartTheNextExchange) {
  ScriptedHttpServer server([](const Request&) { return ok(); });
  HttpLoop loop({.connections_max = 1});
  int left = 20;
  std::function<void(HttpResponse)> next = [&](HttpResponse response) {
    EXPECT_EQ(response.status, 200);
    if (--left == 0) return loop.stop();
    HttpRequest request = post_to(server.url());
    request.body = std::move(response.request_body);
    loop.start(std::move(request), next);
  };
  loop.start(post_to(server.url(), "round"), next);
  loop.run();
  EXPECT_EQ(server.requests().size(), 20u);
  EXPECT_EQ(server.requests().back().body, "round");
}

// Sets a variable and puts the old value back.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value) : name_(name) {
    setenv(name, value.c_str(), 1);
  }
  ~ScopedVariable() { unsetenv(name_); }

 private:
  const char* name_;
};

TEST(HttpLoop, ProxyOfTheEnvironmentIsUsedWithItsPassword) {
  ScriptedHttpServer proxy([](const Request&) { return ok("by proxy"); });
  const ScopedVariable variable("http_proxy",
                                "http://me:secret@127.0.0.1:" + std::to_string(proxy.port()));
  HttpsClient client;
  const HttpResponse response = client.fetch(post_to("http://kinesis.invalid/"));
  EXPECT_EQ(as_text(response.body.view()), "by proxy");
  const Request seen = proxy.requests().at(0);
  EXPECT_EQ(seen.target, "http://kinesis.invalid/");
  EXPECT_EQ(seen.headers.at("proxy-authorization"), "Basic bWU6c2VjcmV0");
}

TEST(HttpLoop, RefusedTunnelIsTheProxysFault) {
  ScriptedHttpServer proxy([](const Request&) {
    Reply reply = ok("");
    reply.status = 407;
    return reply;
  });
  const ScopedVariable variable("HTTPS_PROXY", proxy.url());
  HttpsClient client;
  const HttpResponse response = client.fetch(post_to("https://kinesis.invalid/"));
  EXPECT_EQ(response.failure, HttpFailure::proxy) << response.failure_text;
  EXPECT_EQ(proxy.requests().at(0).method, "CONNECT");
  EXPECT_FALSE(response.outcome_unknown());
}

TEST(HttpLoop, NoProxyAndMetadataRequestsGoAroundTheProxy) {
  ScriptedHttpServer proxy([](const Request&) { return ok("by proxy"); });
  ScriptedHttpServer server([](const Request&) { return ok("direct"); });
  const ScopedVariable variable("http_proxy", proxy.url());
  HttpsClient client;
  HttpRequest request = post_to(server.url());
  request.use_proxy = false;
  EXPECT_EQ(as_text(client.fetch(std::move(request)).body.view()), "direct");
  EXPECT_EQ(as_text(client.fetch(post_to(server.url())).body.view()), "by proxy");
  const ScopedVariable exception("NO_PROXY", "127.0.0.1");
  HttpsClient other;
  EXPECT_EQ(as_text(other.fetch(post_to(server.url())).body.view()), "direct");
}

// libcurl alone knows none of these.
TEST(HttpLoop, NoProxyIsReadAsGoAndPythonReadIt) {
  ScriptedHttpServer proxy([](const Request&) { return ok("by proxy"); });
  ScriptedHttpServer server([](const Request&) { return ok("direct"); });
  const ScopedVariable variable("http_proxy", proxy.url());
  const std::string port = std::to_string(server.port());
  const std::string other_port = std::to_string(proxy.port());
  for (const std::string& exception : std::vector<std::string>{"127.0.0.0/8", "127.0.0.1:" + port,
                                                               "10.0.0.0/8 , 127.0.0.1/32", "*"}) {
    const ScopedVariable no_proxy("NO_PROXY", exception);
    EXPECT_EQ(as_text(HttpsClient().fetch(post_to(server.url())).body.view()), "direct")
        << exception;
  }
  for (const std::string& exception : std::vector<std::string>{
           "10.0.0.0/8", "127.0.0.1:" + other_port, "128.0.0.1", "localhost", "27.0.0.1"}) {
    const ScopedVariable no_proxy("NO_PROXY", exception);
    EXPECT_EQ(as_text(HttpsClient().fetch(post_to(server.url())).body.view()), "by proxy")
        << exception;
  }
}

}  // namespace
}  // namespace penstock::net
