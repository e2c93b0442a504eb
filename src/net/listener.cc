#include "net/listener.h"

#include <boost/asio/post.hpp>

#include "base/log.h"
#include "net/listen_socket.h"
#include "net/tcp_stream.h"

namespace penstock::net {
namespace {
constexpr milliseconds kRetryDelay{100};  // after accept failed for want of descriptors or memory
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
  const auto failed = [&options](const std::string& why) {
    return run_error("cannot listen on " + to_string(options.address) + " for source '" +
                     options.source + "': " + why + "; free the port or change 'listen'");
  };
  auto socket = open_listen_socket(options.address, Transport::tcp);
  if (!socket) {
    if (socket.error().kind == Error::Kind::usage) return failure(socket.error());
    return failed(socket.error().message);
  }
  const BoundAddress local = local_address(*socket);
  std::unique_ptr<Listener> made(
      new Listener(threads, options, std::move(accepted), std::move(refused)));
  error_code error;
  made->acceptor_.assign(local.family() == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(),
                         socket->release(), error);
  if (!error) made->acceptor_.listen(4096, error);
  if (error) return failed(error.message());
  made->port_ = port_of(local);
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
