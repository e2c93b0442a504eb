// TLS straight on the socket's descriptor: OpenSSL reads and writes it itself, so that no byte is
// copied through a second pair of buffers (as asio::ssl's BIO pair would). See stream.h.
#pragma once

#include "net/tcp_stream.h"

namespace penstock::net {

class TlsStream final : public Stream {
 public:
  TlsStream(asio::ip::tcp::socket socket, std::shared_ptr<const TlsContext> context);
  ~TlsStream() override;

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
  // Waits for what OpenSSL wants after it returned `ssl_error`; an error ends the connection.
  asio::awaitable<error_code> await_wanted(int ssl_error);
  [[nodiscard]] size_t bytes_within() const;

  asio::ip::tcp::socket socket_;
  SocketProbe probe_;  // goes before the socket
  std::shared_ptr<const TlsContext> context_;
  SSL* ssl_;
  bool closed_ = false;
  bool end_is_known_ =
      false;  // the peer's end, or an error, was met behind bytes already given out
};

}  // namespace penstock::net
