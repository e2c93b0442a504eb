// Stream: a connected peer as bytes, the same for TCP and TLS. One coroutine may read while another
// writes. Thread: the IoThread of its socket.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "net/hang_up_probe.h"
#include "net/tls_context.h"

namespace penstock::net {

namespace asio = boost::asio;
using boost::system::error_code;

// A peer without its port: the same one comes back from others.
[[nodiscard]] inline std::string_view address_of(std::string_view peer) {
  return peer.substr(0, peer.rfind(':'));
}

class Stream {
 public:
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Of the connection itself, before the handshake: up to room.size() bytes, at least one; 0: the
  // peer has ended its side. looks: they stay, to be read again.
  virtual asio::awaitable<Result<size_t, error_code>> receive(std::span<uint8_t> room,
                                                              bool looks) = 0;

  // TLS: the handshake. TCP: nothing. A failure's text says what the peer did wrong.
  virtual asio::awaitable<Result<void, std::string>> handshake() = 0;

  // Until a read would give something: bytes, the peer's end, or an error. Holds no buffer.
  virtual asio::awaitable<error_code> wait_readable() = 0;

  // Until so many bytes can be read at once, or the system takes no more of them; else as
  // wait_readable().
  virtual asio::awaitable<error_code> wait_for_bytes(size_t bytes) = 0;
  // That have come and were not read. TLS: with what its records cost, and perhaps a record more.
  [[nodiscard]] virtual size_t bytes_waiting() = 0;

  // Up to room.size() bytes, at least one; 0 means the peer has ended its side.
  virtual asio::awaitable<Result<size_t, error_code>> read_some(std::span<uint8_t> room) = 0;

  // All of bytes.
  virtual asio::awaitable<error_code> write(ByteView bytes) = 0;

  // Says that we send no more; the peer's bytes are still read.
  virtual asio::awaitable<void> end_writing() = 0;

  // Ends every operation under way with an error. Idempotent.
  virtual void close() = 0;

  // Made when it is first asked for; stays valid when the stream goes.
  [[nodiscard]] virtual const std::shared_ptr<HangUpProbe>& hang_up_probe() = 0;

  // "192.0.2.1:56324", "[2001:db8::1]:56324"
  [[nodiscard]] const std::string& peer() const { return peer_; }
  // The same without the port.
  [[nodiscard]] std::string peer_address() const { return std::string(address_of(peer_)); }
  // Whose it is, as a balancer before us says.
  void set_peer(std::string peer) { peer_ = std::move(peer); }

 protected:
  explicit Stream(std::string peer) : peer_(std::move(peer)) {}

 private:
  std::string peer_;
};

// Plain TCP when tls is null.
[[nodiscard]] std::unique_ptr<Stream> make_stream(asio::ip::tcp::socket socket,
                                                  std::shared_ptr<const TlsContext> tls);

}  // namespace penstock::net
