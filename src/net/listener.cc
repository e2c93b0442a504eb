#include "net/listener.h"

#include <boost/asio/post.hpp>
#include <charconv>

#include "base/log.h"
#include "net/tcp_stream.h"

namespace penstock::net {
namespace {
constexpr milliseconds kRetryDelay{100};  // after accept failed for want of descriptors or memory
}

Result<asio::ip::tcp::endpoint, Error> parse_listen_address(const std::string& address) {
  const size_t colon = address.rfind(':');
  const auto wrong = [&] {
    return usage_error("'" + address +
                       "' is not an address to listen on: write host:port, such as " +
                       "0.0.0.0:24224 or [::]:24224");
  };
  if (colon == std::string::npos) return wrong();
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  uint16_t port = 0;
  const char* const end = address.data() + address.size();
  const auto parsed = std::from_chars(address.data() + colon + 1, end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end) return wrong();
  error_code error;
  const auto literal = asio::ip::make_address(host, error);
  if (!error) return asio::ip::tcp::endpoint(literal, port);
  asio::io_context context;
  asio::ip::tcp::resolver resolver(context);
  const auto found = resolver.resolve(host, std::to_string(port), error);
  if (error || found.empty()) return wrong();
  return found.begin()->endpoint();
}

Listener::Listener(IoThreads& threads, Options options, OnAccepted accepted, OnRefused refused)
    : threads_(threads),
      home_(*threads.all().front()),
      options_(std::move(options)),
      accepted_(std::move(accepted)),
      refused_(std::move(refused)),
      acceptor_(home_.context()),
      retry_(home_.context()),
      open_(std::make_shared<std::atomic<size_t>>(0)),
      connections_max_(options_.connections_max) {}

Result<std::unique_ptr<Listener>, Error> Listener::open(IoThreads& threads, Options options,
                                                        OnAccepted accepted, OnRefused refused) {
  auto endpoint = parse_listen_address(options.address);
  if (!endpoint) return failure(endpoint.error());
  std::unique_ptr<Listener> made(
      new Listener(threads, std::move(options), std::move(accepted), std::move(refused)));
  error_code error;
  asio::ip::tcp::acceptor& acceptor = made->acceptor_;
  acceptor.open(endpoint->protocol(), error);
  if (!error) acceptor.set_option(asio::ip::tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(*endpoint, error);
  if (!error) acceptor.listen(4096, error);
  if (error) {
    return run_error("cannot listen on " + made->options_.address + " for source '" +
                     made->options_.source + "': " + error.message() +
                     "; free the port or change 'listen'");
  }
  made->port_ = acceptor.local_endpoint().port();
  return made;
}

void Listener::start() {
  asio::post(home_.context(), [this] { accept_next(); });
}

void Listener::close() {
  asio::post(home_.context(), [this] {
    if (!acceptor_.is_open()) return;
    // Who is connected as far as the kernel goes has perhaps sent already: taken in, not cut off.
    error_code error;
    acceptor_.non_blocking(true, error);
    while (!error) {
      IoThread& thread = threads_.least_loaded();
      asio::ip::tcp::socket socket(thread.context());
      acceptor_.accept(socket, error);
      if (!error) admit(std::move(socket), thread);
    }
    acceptor_.close(error);
    retry_.cancel();
  });
}

void Listener::accept_next() {
  if (!acceptor_.is_open()) return;
  IoThread& thread = threads_.least_loaded();
  acceptor_.async_accept(
      thread.context(), [this, &thread](const error_code& error, asio::ip::tcp::socket socket) {
        if (!acceptor_.is_open()) return;
        if (error) {
          log_limited(LogLevel::warn, options_.source + "/accept", "cannot accept a connection",
                      {{"source", options_.source}, {"error", error.message()}});
          retry_.expires_after(kRetryDelay);
          retry_.async_wait([this](const error_code& cancelled) {
            if (!cancelled) accept_next();
          });
          return;
        }
        admit(std::move(socket), thread);
        accept_next();
      });
}

void Listener::admit(asio::ip::tcp::socket socket, IoThread& thread) {
  if (open_->load() >= connections_max_.load()) {
    refused_(peer_name(socket));
    return;  // the socket closes as it goes
  }
  open_->fetch_add(1);
  asio::post(thread.context(), [this, &thread, moved = std::move(socket),
                                lease = ConnectionLease(open_, thread)]() mutable {
    accepted_(std::move(moved), thread, std::move(lease));
  });
}

}  // namespace penstock::net
