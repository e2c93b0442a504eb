// The handshake of Forward's secure mode, both ends, without sockets or randomness of its own:
//
//   server  ["HELO", {"nonce": N, "auth": A, "keepalive": true}]
//   client  ["PING", hostname, salt, hex(sha512(salt + hostname + N + key)),
//            username, hex(sha512(A + username + password))]
//   server  ["PONG", true, "", server hostname, hex(sha512(salt + server hostname + N + key))]
//        or ["PONG", false, reason, "", ""], and the connection is closed
//
// A is empty when no users are configured, and then the last two of PING are. Digests and user
// names are compared in constant time, and an unknown user costs what a known one does.
//
// Thread: none of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/msgpack_cursor.h"

namespace penstock::protocol::forward {

struct User {
  std::string name;
  std::string password;
};

struct HandshakeSettings {
  std::string server_hostname;           // must differ from every client's
  std::vector<std::string> shared_keys;  // any of them fits: several while rotating
  std::vector<User> users;               // empty: users are not asked for
};

enum class HandshakeRefusal : uint8_t {
  wrong_shape,        // not a PING, or one with parts missing
  no_handshake,       // sends messages at once: a client without shared_key
  tls_on_plain_port,  // starts as a TLS record does
  same_hostname,      // the client says it is called as we are
  bad_key,            // its digest fits none of the shared keys
  bad_user,           // unknown user or wrong password
};
[[nodiscard]] std::string_view to_string(HandshakeRefusal refusal);

constexpr size_t kNonceSize = 16;

class ServerHandshake {
 public:
  // nonce and auth_salt: fresh random bytes for each connection. settings must outlive this.
  ServerHandshake(const HandshakeSettings& settings, ByteView nonce, ByteView auth_salt);

  // What to send first.
  [[nodiscard]] ByteBuffer helo() const;

  // Space for what the client sends; never more than a PING may take.
  [[nodiscard]] std::span<uint8_t> free_space();
  void commit(size_t count) { buffer_.commit(count); }

  struct Answer {
    std::optional<HandshakeRefusal> refusal;  // none: it may send messages now
    ByteBuffer pong;  // to be sent, also before closing; empty when the peer speaks otherwise
    std::string client_hostname;  // as it says
  };
  // The answer, or nullopt when more bytes are needed. Then free_space() is not empty.
  [[nodiscard]] std::optional<Answer> next();

  // After a good answer: bytes that came behind the PING, for the decoder.
  [[nodiscard]] ByteView left_over() const { return buffer_.view().subspan(ping_size_); }

 private:
  struct Ping;
  [[nodiscard]] Answer answer_to(ByteView bytes) const;
  [[nodiscard]] Answer refuse(HandshakeRefusal refusal, bool with_pong = true) const;
  [[nodiscard]] const std::string* fitting_key(const Ping& ping) const;
  [[nodiscard]] bool user_fits(const Ping& ping) const;

  const HandshakeSettings& settings_;
  std::string nonce_;
  std::string auth_salt_;  // empty: no users
  ByteBuffer buffer_;
  codec::MsgpackScanner scanner_;
  size_t ping_size_ = 0;
};

// ---- the client's end, for `penstock send` ----

struct Helo {
  std::string nonce;
  std::string auth;  // empty: no user is asked for
  bool keepalive = true;
};

struct ClientIdentity {
  std::string hostname;
  std::string salt;  // fresh random bytes
  std::string shared_key;
  User user;
};

enum class HandshakeError : uint8_t {
  wrong_shape,     // not HELO or PONG as they should be
  refused,         // PONG says no
  server_unknown,  // PONG's digest is not made with our shared key
};
[[nodiscard]] std::string_view to_string(HandshakeError error);

// frame: one whole msgpack value.
[[nodiscard]] Result<Helo, HandshakeError> read_helo(ByteView frame);
[[nodiscard]] ByteBuffer make_ping(const ClientIdentity& client, const Helo& helo);
// The server's reason goes to *reason when it refuses.
[[nodiscard]] Result<void, HandshakeError> check_pong(ByteView frame, const ClientIdentity& client,
                                                      const Helo& helo, std::string* reason);

}  // namespace penstock::protocol::forward
