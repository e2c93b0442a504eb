#include "net/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_future.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <string>

#include "base/unique_fd.h"
#include "net/event.h"
#include "net/io_thread.h"
#include "net/listener.h"
#include "net/tcp_stream.h"
#include "net/test_certificate.h"

namespace penstock::net {
namespace {

// A self-signed certificate and its key as files that go with the object.
class SelfSigned {
 public:
  SelfSigned() {
    char name[] = "/tmp/penstock-net-test-XXXXXX";
    directory_ = ::mkdtemp(name);
    const TestCertificate made = make_test_certificate();
    std::ofstream(certificate_file()) << made.certificate;
    std::ofstream(key_file()) << made.key;
  }
  ~SelfSigned() {
    std::remove(certificate_file().c_str());
    std::remove(key_file().c_str());
    std::remove(directory_.c_str());
  }
  [[nodiscard]] std::string certificate_file() const { return directory_ + "/tls.crt"; }
  [[nodiscard]] std::string key_file() const { return directory_ + "/tls.key"; }

 private:
  std::string directory_;
};

UniqueFd connect_to(uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return fd;
}

asio::awaitable<std::string> read_all(Stream& stream) {
  auto shaken = co_await stream.handshake();
  if (!shaken) co_return "refused: " + shaken.error();
  std::string text;
  std::array<uint8_t, 1000> room{};
  for (;;) {
    const error_code error = co_await stream.wait_readable();
    if (error) co_return "error: " + error.message();
    const auto got = co_await stream.read_some(room);
    if (!got) co_return "error: " + got.error().message();
    if (*got == 0) break;
    text.append(reinterpret_cast<const char*>(room.data()), *got);
  }
  const error_code written = co_await stream.write(as_bytes("thanks"));
  if (written) co_return "error: " + written.message();
  co_await stream.end_writing();
  co_return text;
}

// The client's end of TLS over a connection, blocking.
class TlsClient {
 public:
  explicit TlsClient(const UniqueFd& connection)
      : context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_)) {
    SSL_set_fd(ssl_, connection.get());
    is_connected_ = SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  [[nodiscard]] bool is_connected() const { return is_connected_; }
  [[nodiscard]] bool write(const std::string& text) const {
    const int size = static_cast<int>(text.size());
    return SSL_write(ssl_, text.data(), size) == size;
  }
  [[nodiscard]] SSL* get() const { return ssl_; }

 private:
  SSL_CTX* const context_;
  SSL* const ssl_;
  bool is_connected_ = false;
};

asio::awaitable<std::string> wait_for(Stream& stream, size_t bytes) {
  auto shaken = co_await stream.handshake();
  if (!shaken) co_return "refused: " + shaken.error();
  const error_code error = co_await stream.wait_for_bytes(bytes);
  if (error) co_return "error: " + error.message();
  co_return stream.bytes_waiting() >= bytes ? "enough" : "fewer";
}

// A listener whose connections are read to their end; the first one's text is what `text` gives.
class StreamTest : public testing::Test {
 protected:
  void listen(std::shared_ptr<const TlsContext> tls, size_t connections_max = 16) {
    auto opened = Listener::open(
        threads_, {"test", {"127.0.0.1", 0}, connections_max},
        [this, tls](asio::ip::tcp::socket socket, IoThread& thread, ConnectionLease lease) {
          serve(make_stream(std::move(socket), tls), thread, std::move(lease));
        },
        [this](const std::string&) { refused_.set_value(); });
    ASSERT_TRUE(opened) << opened.error().message;
    listener_ = std::move(*opened);
    threads_.start();
    listener_->start();
  }
  void serve(std::unique_ptr<Stream> stream, IoThread& thread, ConnectionLease lease) {
    asio::co_spawn(thread.context(), converse(std::move(stream), std::move(lease)), asio::detached);
  }
  asio::awaitable<void> converse(std::unique_ptr<Stream> stream, ConnectionLease lease) {
    const ConnectionLease kept = std::move(lease);
    std::string text;
    if (bytes_waited_for_ > 0) {
      text = co_await wait_for(*stream, bytes_waited_for_);
    } else {
      text = co_await read_all(*stream);
    }
    text_.set_value(std::move(text));
  }
  ~StreamTest() override { threads_.stop(); }

  IoThreads threads_{2};
  std::unique_ptr<Listener> listener_;
  std::promise<std::string> text_;
  std::promise<void> refused_;
  size_t bytes_waited_for_ = 0;  // 0: all is read
};

TEST_F(StreamTest, PlainBytesArriveAndTheAnswerLeavesAfterThePeersEnd) {
  listen(nullptr);
  const UniqueFd client = connect_to(listener_->port());
  ASSERT_EQ(::send(client.get(), "hello", 5, 0), 5);
  ::shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(text_.get_future().get(), "hello");
  char answer[16] = {};
  EXPECT_EQ(::recv(client.get(), answer, sizeof answer, MSG_WAITALL), 6);
  EXPECT_STREQ(answer, "thanks");
}

TEST_F(StreamTest, ManyBytesMayWaitInTheSocketUntilTheyAreAllThere) {
  bytes_waited_for_ = 1'000'000;
  listen(nullptr);
  const UniqueFd client = connect_to(listener_->port());
  const std::string sent(500'000, 'a');
  for (int half = 0; half < 2; ++half) {
    ASSERT_EQ(::send(client.get(), sent.data(), sent.size(), 0), ssize_t{500'000});
  }
  EXPECT_EQ(text_.get_future().get(), "enough");
}

TEST_F(StreamTest, WhoWaitsForManyBytesLearnsOfThePeersEnd) {
  bytes_waited_for_ = 1'000'000;
  listen(nullptr);
  const UniqueFd client = connect_to(listener_->port());
  ASSERT_EQ(::send(client.get(), "hello", 5, 0), 5);
  ::shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(text_.get_future().get(), "fewer");
}

TEST_F(StreamTest, AConnectionOverTheLimitIsClosedAndToldOf) {
  listen(nullptr, 1);
  const UniqueFd first = connect_to(listener_->port());
  ASSERT_EQ(::send(first.get(), "x", 1, 0), 1);
  const UniqueFd second = connect_to(listener_->port());
  refused_.get_future().get();
  char nothing = 0;
  EXPECT_LE(::recv(second.get(), &nothing, 1, 0), 0);
  ::shutdown(first.get(), SHUT_WR);
  EXPECT_EQ(text_.get_future().get(), "x");
}

TEST_F(StreamTest, TlsCarriesMoreThanOneRecordBothWays) {
  const SelfSigned identity;
  auto tls = TlsContext::load({identity.certificate_file(), identity.key_file(), "", false});
  ASSERT_TRUE(tls) << tls.error().message;
  EXPECT_EQ((*tls)->subject(), "/CN=localhost");
  listen(*tls);

  const UniqueFd client = connect_to(listener_->port());
  const TlsClient ssl(client);
  ASSERT_TRUE(ssl.is_connected());
  const std::string sent(100'000, 'a');
  ASSERT_TRUE(ssl.write(sent));
  SSL_shutdown(ssl.get());
  EXPECT_EQ(text_.get_future().get(), sent);
  char answer[16] = {};
  EXPECT_EQ(SSL_read(ssl.get(), answer, sizeof answer), 6);
}

TEST_F(StreamTest, TlsRecordsMayWaitInTheSocketUntilTheyAreAllThere) {
  const SelfSigned identity;
  auto tls = TlsContext::load({identity.certificate_file(), identity.key_file(), "", false});
  ASSERT_TRUE(tls) << tls.error().message;
  bytes_waited_for_ = 500'000;
  listen(*tls);
  const UniqueFd client = connect_to(listener_->port());
  const TlsClient ssl(client);
  ASSERT_TRUE(ssl.is_connected());
  const std::string sent(500'000, 'a');
  ASSERT_TRUE(ssl.write(sent));
  EXPECT_EQ(text_.get_future().get(), "enough");
}

TEST_F(StreamTest, PlainBytesOnATlsPortFailTheHandshake) {
  const SelfSigned identity;
  auto tls = TlsContext::load({identity.certificate_file(), identity.key_file(), "", false});
  ASSERT_TRUE(tls);
  listen(*tls);
  const UniqueFd client = connect_to(listener_->port());
  ASSERT_GT(::send(client.get(), "GET / HTTP/1.1\r\n\r\n", 18, 0), 0);
  EXPECT_THAT(text_.get_future().get(), testing::StartsWith("refused: "));
}

TEST(TlsContext, AMissingCertificateIsAUsageErrorThatNamesTheFile) {
  const auto tls = TlsContext::load({"/nonexistent/tls.crt", "/nonexistent/tls.key", "", false});
  ASSERT_FALSE(tls);
  EXPECT_EQ(tls.error().kind, Error::Kind::usage);
  EXPECT_NE(tls.error().message.find("/nonexistent/tls.crt"), std::string::npos);
}

// A port that only one family reaches looks free to half of the senders.
TEST(Listener, EveryAddressIsBothFamilies) {
  for (const char* text : {"*:0", ":0", "[::]:0"}) {
    SCOPED_TRACE(text);
    IoThreads threads(1);
    std::promise<std::string> peers[2];
    size_t connected = 0;
    const auto listener = Listener::open(
        threads, {"any", *parse_listen_address(text), 16},
        [&](asio::ip::tcp::socket socket, IoThread&, const ConnectionLease&) {
          peers[connected++].set_value(peer_name(socket));
        },
        nullptr);
    ASSERT_TRUE(listener) << listener.error().message;
    threads.start();
    (*listener)->start();
    asio::io_context context;
    asio::ip::tcp::socket four(context), six(context);
    four.connect({asio::ip::make_address("127.0.0.1"), (*listener)->port()});
    EXPECT_TRUE(peers[0].get_future().get().starts_with("127.0.0.1:"));  // not ::ffff:127.0.0.1
    error_code error;
    six.connect({asio::ip::make_address("::1"), (*listener)->port()}, error);
    if (error != asio::error::address_family_not_supported &&
        error != boost::system::errc::address_not_available &&
        error != asio::error::network_unreachable) {
      ASSERT_FALSE(error) << error.message();
      EXPECT_TRUE(peers[1].get_future().get().starts_with("[::1]:"));
    }
    threads.stop();
  }
}

TEST(Listener, APortInUseIsARunErrorThatNamesTheAddress) {
  IoThreads threads(1);
  const auto first = Listener::open(threads, {"a", {"127.0.0.1", 0}, 1}, nullptr, nullptr);
  ASSERT_TRUE(first);
  const ListenAddress taken{"127.0.0.1", (*first)->port()};
  const auto second = Listener::open(threads, {"b", taken, 1}, nullptr, nullptr);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, Error::Kind::failure);
  EXPECT_NE(second.error().message.find(to_string(taken)), std::string::npos);
}

}  // namespace
}  // namespace penstock::net
