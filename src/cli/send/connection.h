// Connection: a TCP or TLS client connection that blocks, with a deadline on each step.
//
// Thread: one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

struct ssl_st;

namespace penstock::cli {

// What to do when nothing answers.
inline constexpr const char* kCheckAddress =
    "; check the address, and that penstock is running there";

struct Target {
  std::string host;
  uint16_t port = 0;
  bool tls = false;
  std::string ca_file;    // empty: the system's store
  bool insecure = false;  // do not check the certificate

  [[nodiscard]] std::string name() const { return host + ":" + std::to_string(port); }
};

// HOST:PORT or [V6]:PORT.
[[nodiscard]] Result<Target, Error> parse_target(std::string_view flag, std::string_view text);

class Connection {
 public:
  // Looks up, connects and, for TLS, shakes hands.
  [[nodiscard]] static Result<Connection, Error> open(const Target& target, SteadyTime deadline);

  Connection(Connection&&) noexcept = default;
  Connection& operator=(Connection&&) noexcept = default;

  [[nodiscard]] Result<void, Error> write(ByteView bytes, SteadyTime deadline);
  // At least one byte; 0: the peer has ended.
  [[nodiscard]] Result<size_t, Error> read_some(std::span<uint8_t> into, SteadyTime deadline);
  enum class End : uint8_t { none, orderly, broken };
  // How the peer has ended the connection, as far as read_some() has seen.
  [[nodiscard]] End end() const { return end_; }
  // Says that nothing follows; reading goes on.
  void end_writing();

 private:
  struct FreeSsl {
    void operator()(ssl_st* ssl) const;
  };
  Connection(UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  Result<void, Error> start_tls(const Target& target, SteadyTime deadline);
  Result<void, Error> wait(short events, SteadyTime deadline) const;
  // After an OpenSSL call that did not succeed: waits for what it wants.
  Result<void, Error> wait_for_ssl(int result, SteadyTime deadline) const;

  UniqueFd fd_;
  End end_ = End::none;
  std::string name_;
  std::unique_ptr<ssl_st, FreeSsl> ssl_;  // goes before fd_
};

}  // namespace penstock::cli
