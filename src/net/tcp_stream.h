// What TCP and TLS streams share: the socket and waiting for it. See stream.h.
#pragma once

#include <boost/asio/use_awaitable.hpp>

#include "net/stream.h"

namespace penstock::net {

// Non-blocking, no delay, and keepalive that finds a dead peer within about two minutes (nothing
// else ends an idle connection from our side).
void tune(asio::ip::tcp::socket& socket);
[[nodiscard]] std::string peer_name(const asio::ip::tcp::socket& socket);
// See Stream::receive().
asio::awaitable<Result<size_t, error_code>> receive_from(asio::ip::tcp::socket& socket,
                                                         std::span<uint8_t> room, bool looks);

class TcpStream final : public Stream {
 public:
  explicit TcpStream(asio::ip::tcp::socket socket);

  asio::awaitable<Result<size_t, error_code>> receive(std::span<uint8_t> room, bool looks) override;
  asio::awaitable<Result<void, std::string>> handshake() override;
  asio::awaitable<error_code> wait_readable() override;
  asio::awaitable<Result<size_t, error_code>> read_some(std::span<uint8_t> room) override;
  asio::awaitable<error_code> write(ByteView bytes) override;
  asio::awaitable<void> end_writing() override;
  void close() override;

 private:
  asio::ip::tcp::socket socket_;
};

}  // namespace penstock::net
