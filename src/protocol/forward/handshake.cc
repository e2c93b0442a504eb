#include "protocol/forward/handshake.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <initializer_list>

#include "base/check.h"
#include "codec/hex.h"
#include "codec/msgpack_writer.h"

namespace penstock::protocol::forward {
namespace {

using codec::MsgpackCursor;
using codec::MsgpackScanner;
using codec::MsgpackToken;
using codec::MsgpackType;
using codec::MsgpackWriter;

constexpr size_t kPingBytesMax = 4_KiB;
constexpr uint32_t kPingParts = 6;

// hex(sha512(the parts one after the other)), lower case.
std::string digest(std::initializer_list<std::string_view> parts) {
  std::string joined;
  for (const std::string_view part : parts) joined += part;
  std::array<uint8_t, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  CHECK(EVP_Digest(joined.data(), joined.size(), hash.data(), &size, EVP_sha512(), nullptr) == 1);
  OPENSSL_cleanse(joined.data(), joined.size());
  return codec::hex({hash.data(), size});
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool read_text(MsgpackCursor& cursor, std::string_view& text) {
  MsgpackToken token;
  if (!cursor.next(token) || !token.is_text()) return false;
  text = as_text(token.bytes);
  return true;
}

}  // namespace

struct ServerHandshake::Ping {
  std::string_view hostname;
  std::string_view salt;
  std::string_view key_digest;
  std::string_view username;
  std::string_view password_digest;
};

std::string_view to_string(HandshakeRefusal refusal) {
  switch (refusal) {
    case HandshakeRefusal::wrong_shape:
      return "wrong_shape";
    case HandshakeRefusal::no_handshake:
      return "no_handshake";
    case HandshakeRefusal::tls_on_plain_port:
      return "tls_on_plain_port";
    case HandshakeRefusal::same_hostname:
      return "same_hostname";
    case HandshakeRefusal::bad_key:
      return "bad_key";
    case HandshakeRefusal::bad_user:
      return "bad_user";
  }
  return "unknown";
}

std::string_view to_string(HandshakeError error) {
  switch (error) {
    case HandshakeError::wrong_shape:
      return "the server does not speak the Forward handshake";
    case HandshakeError::refused:
      return "the server rejected the handshake";
    case HandshakeError::server_unknown:
      return "the server does not know the shared key";
  }
  return "unknown";
}

ServerHandshake::ServerHandshake(const HandshakeSettings& settings, ByteView nonce,
                                 ByteView auth_salt)
    : settings_(settings), nonce_(as_text(nonce)) {
  if (!settings.users.empty()) auth_salt_ = as_text(auth_salt);
}

// nonce and auth as bin: JavaScript clients would spoil them as str.
ByteBuffer ServerHandshake::helo() const {
  ByteBuffer out;
  MsgpackWriter writer(out);
  writer.array(2);
  writer.str("HELO");
  writer.map(3);
  writer.str("nonce");
  writer.bin(as_bytes(nonce_));
  writer.str("auth");
  if (auth_salt_.empty()) {
    writer.str("");
  } else {
    writer.bin(as_bytes(auth_salt_));
  }
  writer.str("keepalive");
  writer.boolean(true);
  return out;
}

std::span<uint8_t> ServerHandshake::free_space() {
  buffer_.reserve(kPingBytesMax);
  return buffer_.free_space();
}

std::optional<ServerHandshake::Answer> ServerHandshake::next() {
  if (buffer_.empty()) return std::nullopt;
  switch (buffer_.data()[0]) {
    case 0x96:  // an array of six, in whatever form
    case 0xdc:
    case 0xdd:
      break;
    case 0x92:
    case 0x93:
    case 0x94:
    case 0xc0:
      return refuse(HandshakeRefusal::no_handshake);
    case 0x16:
      return refuse(HandshakeRefusal::tls_on_plain_port, false);
    default:
      return refuse(HandshakeRefusal::wrong_shape, false);
  }
  switch (scanner_.scan(buffer_.view())) {
    case MsgpackScanner::State::need_bytes:
      if (scanner_.needed() > kPingBytesMax) return refuse(HandshakeRefusal::wrong_shape);
      return std::nullopt;
    case MsgpackScanner::State::failed:
      return refuse(HandshakeRefusal::wrong_shape);
    case MsgpackScanner::State::done:
      break;
  }
  ping_size_ = static_cast<size_t>(scanner_.position());
  return answer_to(buffer_.view().first(ping_size_));
}

ServerHandshake::Answer ServerHandshake::answer_to(ByteView bytes) const {
  MsgpackCursor cursor(bytes);
  MsgpackToken token;
  if (!cursor.next(token) || token.type != MsgpackType::array || token.count != kPingParts) {
    return refuse(HandshakeRefusal::wrong_shape);
  }
  std::string_view verb;
  Ping ping;
  if (!read_text(cursor, verb) || verb != "PING" || !read_text(cursor, ping.hostname) ||
      !read_text(cursor, ping.salt) || !read_text(cursor, ping.key_digest) ||
      !read_text(cursor, ping.username) || !read_text(cursor, ping.password_digest)) {
    return refuse(HandshakeRefusal::wrong_shape);
  }
  if (ping.hostname == settings_.server_hostname) return refuse(HandshakeRefusal::same_hostname);
  const std::string* const key = fitting_key(ping);
  if (key == nullptr) return refuse(HandshakeRefusal::bad_key);
  if (!user_fits(ping)) return refuse(HandshakeRefusal::bad_user);

  Answer answer;
  answer.client_hostname = ping.hostname;
  MsgpackWriter writer(answer.pong);
  writer.array(5);
  writer.str("PONG");
  writer.boolean(true);
  writer.str("");
  writer.str(settings_.server_hostname);
  writer.str(digest({ping.salt, settings_.server_hostname, nonce_, *key}));
  return answer;
}

ServerHandshake::Answer ServerHandshake::refuse(HandshakeRefusal refusal, bool with_pong) const {
  Answer answer;
  answer.refusal = refusal;
  if (!with_pong) return answer;
  MsgpackWriter writer(answer.pong);
  writer.array(5);
  writer.str("PONG");
  writer.boolean(false);
  switch (refusal) {  // in Fluentd's words where it has some: people search for them
    case HandshakeRefusal::same_hostname:
      writer.str("same hostname between input and output: invalid configuration");
      break;
    case HandshakeRefusal::bad_key:
      writer.str("shared_key mismatch");
      break;
    case HandshakeRefusal::bad_user:
      writer.str("username/password mismatch");
      break;
    case HandshakeRefusal::no_handshake:
      writer.str("a handshake with shared_key is required");
      break;
    default:
      writer.str("invalid ping message");
  }
  writer.str("");
  writer.str("");
  return answer;
}

// Tries every key, so that time does not tell which one was near.
const std::string* ServerHandshake::fitting_key(const Ping& ping) const {
  const std::string* fitting = nullptr;
  for (const std::string& key : settings_.shared_keys) {
    const std::string expected = digest({ping.salt, ping.hostname, nonce_, key});
    if (equal_in_constant_time(expected, ping.key_digest)) fitting = &key;
  }
  return fitting;
}

bool ServerHandshake::user_fits(const Ping& ping) const {
  if (settings_.users.empty()) return true;
  bool fits = false;
  for (const User& user : settings_.users) {
    const std::string expected = digest({auth_salt_, user.name, user.password});
    const bool name = equal_in_constant_time(user.name, ping.username);
    const bool password = equal_in_constant_time(expected, ping.password_digest);
    fits = fits || (name && password);
  }
  return fits;
}

Result<Helo, HandshakeError> read_helo(ByteView frame) {
  MsgpackCursor cursor(frame);
  MsgpackToken token;
  std::string_view verb;
  if (!cursor.next(token) || token.type != MsgpackType::array || token.count < 2 ||
      !read_text(cursor, verb) || verb != "HELO" || !cursor.next(token) ||
      token.type != MsgpackType::map) {
    return failure(HandshakeError::wrong_shape);
  }
  Helo helo;
  for (uint32_t pairs = token.count; pairs > 0; --pairs) {
    std::string_view key;
    if (!read_text(cursor, key)) return failure(HandshakeError::wrong_shape);
    const auto value_bytes = cursor.skip();
    MsgpackToken value;
    if (!value_bytes || !MsgpackCursor(*value_bytes).next(value)) {
      return failure(HandshakeError::wrong_shape);
    }
    if (key == "nonce" && value.is_text()) helo.nonce = as_text(value.bytes);
    if (key == "auth" && value.is_text()) helo.auth = as_text(value.bytes);
    if (key == "keepalive" && value.type == MsgpackType::boolean) helo.keepalive = value.boolean;
  }
  return helo;
}

ByteBuffer make_ping(const ClientIdentity& client, const Helo& helo) {
  ByteBuffer out;
  MsgpackWriter writer(out);
  writer.array(kPingParts);
  writer.str("PING");
  writer.str(client.hostname);
  writer.bin(as_bytes(client.salt));
  writer.str(digest({client.salt, client.hostname, helo.nonce, client.shared_key}));
  if (helo.auth.empty()) {
    writer.str("");
    writer.str("");
  } else {
    writer.str(client.user.name);
    writer.str(digest({helo.auth, client.user.name, client.user.password}));
  }
  return out;
}

Result<void, HandshakeError> check_pong(ByteView frame, const ClientIdentity& client,
                                        const Helo& helo, std::string* reason) {
  MsgpackCursor cursor(frame);
  MsgpackToken token;
  std::string_view text;
  if (!cursor.next(token) || token.type != MsgpackType::array || token.count != 5 ||
      !read_text(cursor, text) || text != "PONG" || !cursor.next(token) ||
      token.type != MsgpackType::boolean || !read_text(cursor, text)) {
    return failure(HandshakeError::wrong_shape);
  }
  if (!token.boolean) {
    if (reason != nullptr) *reason = text;
    return failure(HandshakeError::refused);
  }
  std::string_view hostname;
  std::string_view key_digest;
  if (!read_text(cursor, hostname) || !read_text(cursor, key_digest)) {
    return failure(HandshakeError::wrong_shape);
  }
  const std::string expected = digest({client.salt, hostname, helo.nonce, client.shared_key});
  if (!equal_in_constant_time(expected, key_digest)) {
    return failure(HandshakeError::server_unknown);
  }
  return {};
}

}  // namespace penstock::protocol::forward
