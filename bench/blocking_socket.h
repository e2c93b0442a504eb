// A blocking socket, plain or TLS, for the bench programs: as plain as can be, so that what they
// cost says little about us and much about the machine.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/unique_fd.h"

namespace penstock::bench {

class BlockingSocket {
 public:
  BlockingSocket() = default;
  // Takes the descriptor; ssl null: plain.
  BlockingSocket(UniqueFd fd, SSL* ssl) : fd_(std::move(fd)), ssl_(ssl) {}
  BlockingSocket(BlockingSocket&& other) noexcept
      : fd_(std::move(other.fd_)), ssl_(std::exchange(other.ssl_, nullptr)) {}
  BlockingSocket& operator=(BlockingSocket&& other) noexcept;
  ~BlockingSocket() { SSL_free(ssl_); }

  // 0 at the end, -1 on an error.
  ssize_t read_some(std::span<uint8_t> room);
  bool write_all(ByteView bytes);
  [[nodiscard]] int fd() const { return fd_.get(); }
  // Bytes that are here already and no poll() will tell of.
  [[nodiscard]] bool has_pending() const { return ssl_ != nullptr && SSL_has_pending(ssl_) == 1; }

 private:
  UniqueFd fd_;
  SSL* ssl_ = nullptr;
};

struct Address {
  std::string host;
  uint16_t port = 0;
};
[[nodiscard]] Address parse_address(const std::string& text);  // exits when it cannot

[[nodiscard]] UniqueFd listen_on(const Address& address, uint16_t* port);
[[nodiscard]] UniqueFd connect_to(const Address& address);

// The peer is not verified: both ends are ours, on loopback.
[[nodiscard]] SSL_CTX* client_context();
[[nodiscard]] SSL_CTX* server_context(const std::string& certificate, const std::string& key);
// Empty socket when the handshake fails.
[[nodiscard]] BlockingSocket with_tls(UniqueFd fd, SSL_CTX* context, bool is_server);

[[noreturn]] void die(const std::string& message);

}  // namespace penstock::bench
