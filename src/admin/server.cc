#include "admin/server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <list>
#include <thread>

#include "admin/observer.h"
#include "admin/status_json.h"
#include "admin/status_page.h"
#include "base/log.h"
#include "metrics/exposition.h"
#include "net/listen_socket.h"

namespace penstock::admin {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
constexpr uint32_t kHeaderBytesMax = 8 * 1024;
constexpr seconds kLookInterval{1};
constexpr milliseconds kAcceptPause{100};  // after a failed accept, such as no descriptors left

using Request = http::request<http::empty_body>;
using Response = http::response<http::string_body>;

struct Connection {
  explicit Connection(tcp::socket socket) : stream(std::move(socket)) {}
  beast::tcp_stream stream;
  beast::flat_buffer buffer{kHeaderBytesMax};
};

class BeastServer final : public Server {
 public:
  BeastServer(ServerOptions options, ServerSources sources)
      : options_(std::move(options)), sources_(sources) {}
  ~BeastServer() override { stop(); }

  Result<void, Error> listen();
  void run() {
    thread_ = std::thread([this] { context_.run(); });
  }

  [[nodiscard]] uint16_t port() const override { return port_; }
  void stop() override;

 private:
  using Connections = std::list<std::shared_ptr<Connection>>;

  asio::awaitable<void> accept_loop();
  asio::awaitable<void> look_loop();
  asio::awaitable<void> serve(Connections::iterator self);
  [[nodiscard]] Response answer(const Request& request);
  void observe();
  [[nodiscard]] std::string body_of_metrics();
  [[nodiscard]] std::string body_of_status();

  const ServerOptions options_;
  const ServerSources sources_;
  asio::io_context context_{1};
  tcp::acceptor acceptor_{context_};
  asio::steady_timer look_timer_{context_};
  asio::steady_timer accept_timer_{context_};
  Connections connections_;  // the longest silent first
  Observer observer_;
  uint16_t port_ = 0;
  std::thread thread_;
};

Result<void, Error> BeastServer::listen() {
  const auto failed = [this](const std::string& why) {
    return run_error("cannot listen on admin.listen " + to_string(options_.listen) + ": " + why +
                     "; free the port or choose another");
  };
  auto socket = net::open_listen_socket(options_.listen, net::Transport::tcp);
  if (!socket) return failed(socket.error().message);
  const net::BoundAddress local = net::local_address(*socket);
  error_code error;
  acceptor_.assign(local.family() == AF_INET6 ? tcp::v6() : tcp::v4(), socket->release(), error);
  if (!error) acceptor_.listen(64, error);
  if (error) return failed(error.message());
  port_ = port_of(local);
  asio::co_spawn(context_, accept_loop(), asio::detached);
  asio::co_spawn(context_, look_loop(), asio::detached);
  return {};
}

void BeastServer::stop() {
  if (!thread_.joinable()) return;
  asio::post(context_, [this] {
    error_code ignored;
    acceptor_.close(ignored);
    look_timer_.cancel();
    accept_timer_.cancel();
    for (const auto& connection : connections_) connection->stream.close();
  });
  thread_.join();
}

asio::awaitable<void> BeastServer::accept_loop() {
  while (acceptor_.is_open()) {
    auto [error, socket] = co_await acceptor_.async_accept(kAsTuple);
    if (error == asio::error::operation_aborted || !acceptor_.is_open()) break;
    if (error) {
      log_limited(LogLevel::warn, "admin/accept", "admin port cannot accept",
                  {{"reason", error.message()}});
      accept_timer_.expires_after(kAcceptPause);
      co_await accept_timer_.async_wait(kAsTuple);
      continue;
    }
    while (connections_.size() >= options_.connections_max) {
      connections_.front()->stream.close();
      co_await asio::post(context_, asio::use_awaitable);  // lets it leave the list
    }
    const auto self =
        connections_.insert(connections_.end(), std::make_shared<Connection>(std::move(socket)));
    asio::co_spawn(context_, serve(self), asio::detached);
  }
}

asio::awaitable<void> BeastServer::look_loop() {
  while (acceptor_.is_open()) {
    sources_.health.look();
    observe();
    look_timer_.expires_after(kLookInterval);
    co_await look_timer_.async_wait(kAsTuple);
  }
}

asio::awaitable<void> BeastServer::serve(Connections::iterator self) {
  const std::shared_ptr<Connection> connection = *self;
  beast::tcp_stream& stream = connection->stream;
  bool keep = true;
  // The first request is due at once; later ones may take their time to begin.
  stream.expires_after(options_.request_timeout);
  while (keep) {
    http::request_parser<http::empty_body> parser;
    parser.header_limit(kHeaderBytesMax);
    const auto [read_error, read_bytes] =
        co_await http::async_read_header(stream, connection->buffer, parser, kAsTuple);
    const bool malformed = read_error.category() == http::make_error_code(http::error{}).category();
    const bool ended =
        read_error == http::error::end_of_stream || read_error == http::error::partial_message;
    if (read_error && (!malformed || ended)) break;

    connections_.splice(connections_.end(), connections_, self);
    Response response;
    if (malformed) {
      response = Response(http::status::bad_request, 11);
      response.keep_alive(false);
      response.body() = "bad request\n";
      response.prepare_payload();
    } else {
      response = answer(parser.get());
      // No request here needs a body, and none is read: what follows it would not be a request.
      if (parser.chunked() || parser.content_length().value_or(0) > 0) response.keep_alive(false);
    }
    keep = response.keep_alive();
    stream.expires_after(options_.request_timeout);
    const auto [write_error, written_bytes] =
        co_await http::async_write(stream, response, kAsTuple);
    if (write_error) break;
    stream.expires_after(options_.idle_timeout);
  }
  error_code ignored;
  stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  stream.close();
  connections_.erase(self);
}

void BeastServer::observe() {
  const record::Ledger::Snapshot ledger = sources_.ledger.snapshot();
  const metrics::Status status = sources_.status.status();
  observer_.look({ledger, sources_.metrics, status, options_.version, sources_.clock.wall()},
                 sources_.health.healthz(), sources_.health.readyz(), sources_.clock.steady());
}

std::string BeastServer::body_of_metrics() {
  const record::Ledger::Snapshot ledger = sources_.ledger.snapshot();
  const metrics::Status status = sources_.status.status();
  return metrics::exposition({ledger, sources_.metrics, status, options_.version,
                              sources_.clock.wall(), sources_.health.readyz().good});
}

std::string BeastServer::body_of_status() {
  const record::Ledger::Snapshot ledger = sources_.ledger.snapshot();
  const metrics::Status status = sources_.status.status();
  return status_json({ledger, sources_.metrics, status, options_.version, sources_.clock.wall()},
                     observer_, sources_.health.healthz(), sources_.health.readyz());
}

Response BeastServer::answer(const Request& request) {
  Response response(http::status::ok, request.version());
  response.keep_alive(request.keep_alive());
  response.set(http::field::content_type, "text/plain; charset=utf-8");
  response.set(http::field::cache_control, "no-store");
  response.set("X-Content-Type-Options", "nosniff");
  const auto say = [&response](const Health::Answer& health) {
    if (!health.good) response.result(http::status::service_unavailable);
    response.body() = health.text + "\n";
  };

  const std::string_view target(request.target().data(), request.target().size());
  const std::string_view path = target.substr(0, target.find('?'));
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    response.result(http::status::method_not_allowed);
    response.set(http::field::allow, "GET, HEAD");
    response.keep_alive(false);  // a body may follow that nobody will read
    response.body() = "only GET and HEAD\n";
  } else if (path == "/healthz") {
    say(sources_.health.healthz());
  } else if (path == "/readyz") {
    say(sources_.health.readyz());
  } else if (path == "/metrics") {
    response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
    response.body() = body_of_metrics();
  } else if (path == "/api/status") {
    response.set(http::field::content_type, "application/json");
    response.body() = body_of_status();
  } else if (path == "/api/history") {
    response.set(http::field::content_type, "application/json");
    response.body() = observer_.history().json();
  } else if (path == "/") {
    response.set(http::field::content_type, "text/html; charset=utf-8");
    response.set("Content-Security-Policy",
                 "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                 "connect-src 'self'");
    response.body() = status_page();
  } else {
    response.result(http::status::not_found);
    response.body() = "there are /healthz, /readyz, /metrics, /api/status, /api/history and /\n";
  }
  response.prepare_payload();
  if (request.method() == http::verb::head) response.body().clear();  // the length stays
  return response;
}

}  // namespace

Result<std::unique_ptr<Server>, Error> Server::start(ServerOptions options, ServerSources sources) {
  auto server = std::make_unique<BeastServer>(std::move(options), sources);
  if (auto listening = server->listen(); !listening) return failure(std::move(listening.error()));
  server->run();
  return server;
}

}  // namespace penstock::admin
