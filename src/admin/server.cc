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
#include <boost/beast/http.hpp>
#include <list>
#include <mutex>
#include <sstream>
#include <thread>

#include "admin/pages.h"
#include "base/log.h"
#include "net/listen_socket.h"
#include "net/stream.h"

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

using Parser = http::request_parser<http::empty_body>;
using Request = http::request<http::empty_body>;
using Response = http::response<http::string_body>;

std::string_view path_of(const Request& request) {
  const std::string_view target(request.target().data(), request.target().size());
  return target.substr(0, target.find('?'));
}

Response response_to(const Request& request, Page page) {
  Response response(static_cast<http::status>(page.status), request.version());
  response.keep_alive(request.keep_alive());
  response.set(http::field::content_type, page.content_type);
  response.set(http::field::cache_control, "no-store");
  response.set("X-Content-Type-Options", "nosniff");
  if (page.content_type.starts_with("text/html")) {
    response.set("Content-Security-Policy",
                 "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                 "connect-src 'self'");
  }
  if (page.status == 401) response.set(http::field::www_authenticate, "Bearer");
  response.body() = std::move(page.body);
  response.prepare_payload();
  if (request.method() == http::verb::head) response.body().clear();  // the length stays
  return response;
}

Response wrong_method(const Request& request) {
  Response response = response_to(request, {405, "only GET and HEAD\n"});
  response.set(http::field::allow, "GET, HEAD");
  response.keep_alive(false);  // a body may follow that nobody will read
  return response;
}

Response bad_request() {
  Response response(http::status::bad_request, 11);
  response.keep_alive(false);
  response.body() = "bad request\n";
  response.prepare_payload();
  return response;
}

// shared_ptr: its coroutine, its deadline and the list of its port hold it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(asio::io_context& context, std::unique_ptr<net::Stream> stream)
      : stream_(std::move(stream)),
        deadline_(context),
        limit_(std::make_shared<net::WaitLimit>(context.get_executor())) {}

  // Closes the connection unless it is called once more before.
  void expire_after(milliseconds time) {
    deadline_.expires_after(time);
    deadline_.async_wait([weak = weak_from_this()](const error_code& error) {
      const auto self = weak.lock();
      if (error || !self) return;
      if (self->deadline_.expiry() <= std::chrono::steady_clock::now()) self->close();
    });
  }
  void close() { stream_->close(); }
  // No more waking for a deadline.
  void end() {
    deadline_.cancel();
    close();
  }

  enum class Read : uint8_t { request, malformed, ended };
  asio::awaitable<Read> read_request(Parser& parser);
  asio::awaitable<bool> write(const Response& response);

  [[nodiscard]] net::Stream& stream() { return *stream_; }
  [[nodiscard]] const std::shared_ptr<net::WaitLimit>& limit() const { return limit_; }

 private:
  const std::unique_ptr<net::Stream> stream_;
  asio::steady_timer deadline_;
  const std::shared_ptr<net::WaitLimit> limit_;
  beast::flat_buffer buffer_{kHeaderBytesMax};
};

asio::awaitable<Connection::Read> Connection::read_request(Parser& parser) {
  parser.header_limit(kHeaderBytesMax);
  for (;;) {
    if (buffer_.size() > 0) {
      error_code error;
      buffer_.consume(parser.put(buffer_.data(), error));
      if (error && error != http::error::need_more) co_return Read::malformed;
      if (parser.is_header_done()) co_return Read::request;
    }
    if (buffer_.size() == buffer_.max_size()) co_return Read::malformed;
    const auto room = buffer_.prepare(buffer_.max_size() - buffer_.size());
    const auto got = co_await stream_->read_some({static_cast<uint8_t*>(room.data()), room.size()});
    if (!got || *got == 0) co_return Read::ended;
    buffer_.commit(*got);
  }
}

asio::awaitable<bool> Connection::write(const Response& response) {
  std::ostringstream text;
  text << response;
  const std::string bytes = std::move(text).str();
  const error_code error = co_await stream_->write(as_bytes(bytes));
  co_return !error;
}

// One of the two: what is listened on, and who is connected.
struct Port {
  explicit Port(asio::io_context& context) : acceptor(context), accept_timer(context) {}

  tcp::acceptor acceptor;
  asio::steady_timer accept_timer;
  std::list<std::shared_ptr<Connection>> connections;  // the longest silent first
  bool is_secure = false;
  uint16_t number = 0;
};
using Place = std::list<std::shared_ptr<Connection>>::iterator;

class BeastServer final : public Server {
 public:
  BeastServer(const ServerOptions& options, ServerSources sources)
      : options_(options), sources_(sources), pages_(sources, options.version) {
    if (options_.secure) secure_settings_ = options_.secure->settings;
  }
  ~BeastServer() override { stop(); }

  Result<void, Error> listen();
  void run() {
    thread_ = std::thread([this] { context_.run(); });
  }

  [[nodiscard]] uint16_t port() const override { return plain_.number; }
  [[nodiscard]] uint16_t secure_port() const override { return secure_.number; }
  void reconfigure(SecureSettings settings) override {
    const std::lock_guard lock(mutex_);
    secure_settings_ = std::move(settings);
  }
  void stop() override;

 private:
  Result<void, Error> open(Port& port, const net::ListenAddress& address, const char* key);
  asio::awaitable<void> accept_loop(Port& port);
  asio::awaitable<void> look_loop();
  asio::awaitable<void> serve(Port& port, Place place);
  asio::awaitable<bool> shake_hands(Connection& connection);
  asio::awaitable<Response> answer(const Port& port, Connection& connection,
                                   const Request& request);
  asio::awaitable<std::optional<Page>> check_client(Connection& connection,
                                                    std::string authorization);
  [[nodiscard]] SecureSettings secure_settings() const {
    const std::lock_guard lock(mutex_);
    return secure_settings_;
  }
  void refuse(Connection& connection, const char* reason, const std::string& why);

  const ServerOptions options_;
  const ServerSources sources_;
  asio::io_context context_{1};
  Port plain_{context_};
  Port secure_{context_};
  asio::steady_timer look_timer_{context_};
  Pages pages_;
  mutable std::mutex mutex_;
  SecureSettings secure_settings_;  // under mutex_
  std::thread thread_;
};

Result<void, Error> BeastServer::open(Port& port, const net::ListenAddress& address,
                                      const char* key) {
  const auto failed = [&](const std::string& why) {
    return run_error(std::string("cannot listen on ") + key + " " + to_string(address) + ": " +
                     why + "; free the port or choose another");
  };
  auto socket = net::open_listen_socket(address, net::Transport::tcp);
  if (!socket) return failed(socket.error().message);
  const net::BoundAddress local = net::local_address(*socket);
  error_code error;
  port.acceptor.assign(local.family() == AF_INET6 ? tcp::v6() : tcp::v4(), socket->release(),
                       error);
  if (!error) port.acceptor.listen(64, error);
  if (error) return failed(error.message());
  port.number = port_of(local);
  asio::co_spawn(context_, accept_loop(port), asio::detached);
  return {};
}

Result<void, Error> BeastServer::listen() {
  if (auto opened = open(plain_, options_.listen, "admin.listen"); !opened) return opened;
  if (options_.secure) {
    secure_.is_secure = true;
    auto opened = open(secure_, options_.secure->listen, "admin.secure.listen");
    if (!opened) return opened;
  }
  asio::co_spawn(context_, look_loop(), asio::detached);
  return {};
}

void BeastServer::stop() {
  if (!thread_.joinable()) return;
  asio::post(context_, [this] {
    error_code ignored;
    look_timer_.cancel();
    for (Port* const port : {&plain_, &secure_}) {
      port->acceptor.close(ignored);
      port->accept_timer.cancel();
      for (const auto& connection : port->connections) connection->close();
    }
  });
  thread_.join();
}

asio::awaitable<void> BeastServer::accept_loop(Port& port) {
  while (port.acceptor.is_open()) {
    auto [error, socket] = co_await port.acceptor.async_accept(kAsTuple);
    if (error == asio::error::operation_aborted || !port.acceptor.is_open()) break;
    if (error) {
      log_limited(LogLevel::warn, "admin/accept", "admin port cannot accept",
                  {{"reason", error.message()}});
      port.accept_timer.expires_after(kAcceptPause);
      co_await port.accept_timer.async_wait(kAsTuple);
      continue;
    }
    while (port.connections.size() >= options_.connections_max) {
      port.connections.front()->close();
      co_await asio::post(context_, asio::use_awaitable);  // lets it leave the list
    }
    auto tls = port.is_secure ? secure_settings().tls : nullptr;
    const Place place = port.connections.insert(
        port.connections.end(), std::make_shared<Connection>(
                                    context_, net::make_stream(std::move(socket), std::move(tls))));
    asio::co_spawn(context_, serve(port, place), asio::detached);
  }
}

asio::awaitable<void> BeastServer::look_loop() {
  while (plain_.acceptor.is_open()) {
    sources_.health.look();
    pages_.observe();
    look_timer_.expires_after(kLookInterval);
    co_await look_timer_.async_wait(kAsTuple);
  }
}

asio::awaitable<void> BeastServer::serve(Port& port, Place place) {
  const std::shared_ptr<Connection> connection = *place;
  // The first request is due at once; later ones may take their time to begin.
  connection->expire_after(options_.request_timeout);
  bool keep = !port.is_secure || co_await shake_hands(*connection);
  while (keep) {
    Parser parser;
    const Connection::Read read = co_await connection->read_request(parser);
    if (read == Connection::Read::ended) break;

    port.connections.splice(port.connections.end(), port.connections, place);
    connection->expire_after(options_.request_timeout);
    Response response;
    if (read == Connection::Read::malformed) {
      response = bad_request();
    } else {
      response = co_await answer(port, *connection, parser.get());
      // No request here needs a body, and none is read: what follows it would not be a request.
      if (parser.chunked() || parser.content_length().value_or(0) > 0) response.keep_alive(false);
    }
    const bool written = co_await connection->write(response);
    keep = written && response.keep_alive();
    connection->expire_after(options_.idle_timeout);
  }
  co_await connection->stream().end_writing();
  connection->end();
  port.connections.erase(place);
}

void BeastServer::refuse(Connection& connection, const char* reason, const std::string& why) {
  sources_.metrics.admin_refused.with(reason).add();
  log_limited(LogLevel::warn, std::string("admin/") + reason, "admin.secure: client rejected",
              {{"peer", connection.stream().peer()}, {"reason", why}});
}

asio::awaitable<bool> BeastServer::shake_hands(Connection& connection) {
  const auto shaken = co_await connection.stream().handshake();
  if (!shaken) refuse(connection, "tls_handshake", shaken.error());
  co_return shaken.has_value();
}

asio::awaitable<Response> BeastServer::answer(const Port& port, Connection& connection,
                                              const Request& request) {
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    co_return wrong_method(request);
  }
  const std::string_view path = path_of(request);
  if (port.is_secure && !Pages::is_for_everybody(path)) {
    auto rejected =
        co_await check_client(connection, std::string(request[http::field::authorization]));
    if (rejected) co_return response_to(request, std::move(*rejected));
  }
  co_return response_to(request, pages_.at(path));
}

// Nothing: it may read.
asio::awaitable<std::optional<Page>> BeastServer::check_client(Connection& connection,
                                                               std::string authorization) {
  const SecureSettings settings = secure_settings();
  connection.limit()->start(options_.request_timeout / 2);
  const auth::Judgement judgement = co_await settings.access->judge(
      std::move(authorization), connection.stream().peer_address(), *connection.limit());
  connection.limit()->stop();
  switch (judgement) {
    case auth::Judgement::granted:
      co_return std::nullopt;
    case auth::Judgement::missing:
      refuse(connection, "missing_credentials", "Authorization is missing");
      co_return Page{401, "Authorization is missing: send a bearer token\n"};
    case auth::Judgement::wrong:
      refuse(connection, "wrong_credentials", "Authorization is wrong");
      co_return Page{401, "Authorization is wrong\n"};
    case auth::Judgement::not_listed:
      refuse(connection, "service_account", "not in admin.secure.auth.service_accounts");
      co_return Page{403, "this service account may not read this\n"};
    case auth::Judgement::unreachable:
      break;
  }
  refuse(connection, "token_review", "the API server cannot check the token");
  co_return Page{503, "the token cannot be checked now: try again\n"};
}

}  // namespace

Result<std::unique_ptr<Server>, Error> Server::start(ServerOptions options, ServerSources sources) {
  auto server = std::make_unique<BeastServer>(options, sources);
  if (auto listening = server->listen(); !listening) return failure(std::move(listening.error()));
  server->run();
  return server;
}

}  // namespace penstock::admin
