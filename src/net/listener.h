// Listener: accepts, counts, and hands each socket to the least loaded IoThread. One connection
// over the limit is accepted, closed and counted, so that the peer learns of it at once.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/io_thread.h"
#include "net/listen_address.h"

namespace penstock::net {

// One connection of a listener; dropping it gives the place back. Thread: the connection's.
class ConnectionLease {
 public:
  ConnectionLease(std::shared_ptr<std::atomic<size_t>> open, IoThread& thread)
      : open_(std::move(open)), thread_(&thread) {
    thread_->add_load(1);
  }
  ConnectionLease(ConnectionLease&&) noexcept = default;
  ConnectionLease& operator=(ConnectionLease&&) = delete;
  ~ConnectionLease() {
    if (open_ == nullptr) return;
    open_->fetch_sub(1);
    thread_->add_load(-1);
  }

 private:
  std::shared_ptr<std::atomic<size_t>> open_;
  IoThread* thread_;
};

class Listener {
 public:
  struct Options {
    std::string source;  // for messages
    ListenAddress address;
    size_t connections_max = 1024;
  };
  // Called on the IoThread that will own the connection.
  using OnAccepted = std::function<void(asio::ip::tcp::socket, IoThread&, ConnectionLease)>;
  using OnRefused = std::function<void(const std::string& peer)>;

  // Binds and listens; accepting begins with start(). Errors name the address and the cure.
  static Result<std::unique_ptr<Listener>, Error> open(IoThreads& threads, Options options,
                                                       OnAccepted accepted, OnRefused refused);
  void start();
  // No more connections; those there are stay. Thread: any. Idempotent.
  void close();

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] size_t connections() const { return open_->load(); }
  void limit_connections(size_t connections_max) { connections_max_ = connections_max; }

 private:
  Listener(IoThreads& threads, Options options, OnAccepted accepted, OnRefused refused);
  void accept_next();
  void admit(asio::ip::tcp::socket socket, IoThread& thread);

  IoThreads& threads_;
  IoThread& home_;
  const Options options_;
  const OnAccepted accepted_;
  const OnRefused refused_;
  asio::ip::tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::shared_ptr<std::atomic<size_t>> open_;
  std::atomic<size_t> connections_max_;
  uint16_t port_ = 0;
};

}  // namespace penstock::net
