// What TCP and TLS streams share: the socket and waiting for it. See stream.h.
#pragma once

#include <boost/asio/use_awaitable.hpp>
#include <memory>

#include "net/stream.h"

namespace penstock::net {

// Non-blocking, no delay, and keepalive that finds a dead peer within about two minutes (nothing
// else ends an idle connection from our side).
void tune(asio::ip::tcp::socket& socket);
[[nodiscard]] std::string peer_name(const asio::ip::tcp::socket& socket);
// See Stream::receive().
asio::awaitable<Result<size_t, error_code>> receive_from(asio::ip::tcp::socket& socket,
                                                         std::span<uint8_t> room, bool looks);

// The probe of a socket, made on demand; forgets the descriptor before the socket is closed.
// See Stream.
asio::awaitable<error_code> wait_for_bytes_of(asio::ip::tcp::socket& socket, size_t bytes);
[[nodiscard]] size_t bytes_waiting_of(asio::ip::tcp::socket& socket);

class SocketProbe {
 public:
  ~SocketProbe() { forget(); }
  [[nodiscard]] const std::shared_ptr<HangUpProbe>& of(asio::ip::tcp::socket& socket) {
    if (!probe_) probe_ = std::make_shared<HangUpProbe>(socket.native_handle());
    return probe_;
  }
  void forget() {
    if (probe_) probe_->forget();
  }

 private:
  std::shared_ptr<HangUpProbe> probe_;
};

class TcpStream final : public Stream {
 public:
  explicit TcpStream(asio::ip::tcp::socket socket);

  asio::awaitable<Result<size_t, error_code>> receive(std::span<uint8_t> room, bool looks) override;
  asio::awaitable<Result<void, std::string>> handshake() override;
  asio::awaitable<error_code> wait_readable() override;
  asio::awaitable<error_code> wait_for_bytes(size_t bytes) override;
  [[nodiscard]] size_t bytes_waiting() override;
  asio::awaitable<Result<size_t, error_code>> read_some(std::span<uint8_t> room) override;
  asio::awaitable<error_code> write(ByteView bytes) override;
  asio::awaitable<void> end_writing() override;
  void close() override;
  [[nodiscard]] const std::shared_ptr<HangUpProbe>& hang_up_probe() override {
    return probe_.of(socket_);
  }

 private:
  asio::ip::tcp::socket socket_;
  SocketProbe probe_;  // goes before the socket
};

}  // namespace penstock::net
