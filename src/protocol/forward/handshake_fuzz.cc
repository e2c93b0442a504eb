// Any bytes as a PING, cut anywhere, never pass for somebody who knows the key; and any bytes as
// HELO, PONG and ack never harm the client.
#include <algorithm>
#include <cstdlib>

#include "protocol/forward/ack.h"
#include "protocol/forward/handshake.h"

namespace {

using namespace penstock::protocol::forward;
using penstock::as_bytes;
using penstock::ByteView;

void require(bool holds) {
  if (!holds) std::abort();
}

std::optional<ServerHandshake::Answer> shake(const HandshakeSettings& settings, ByteView bytes,
                                             size_t piece) {
  ServerHandshake server(settings, as_bytes("0123456789abcdef"), as_bytes("fedcba9876543210"));
  while (!bytes.empty()) {
    const auto space = server.free_space();
    require(!space.empty());
    const size_t size = std::min({piece, space.size(), bytes.size()});
    std::copy_n(bytes.begin(), size, space.begin());
    server.commit(size);
    bytes = bytes.subspan(size);
    if (auto answer = server.next()) return answer;
  }
  return std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const HandshakeSettings settings{"penstock-0", {"new key", "old key"}, {{"alice", "pw"}}};
  const ByteView bytes(data + 1, size - 1);
  const auto whole = shake(settings, bytes, SIZE_MAX);
  const auto pieces = shake(settings, bytes, size_t{1} + data[0]);
  require(whole.has_value() == pieces.has_value());
  if (whole) {
    require(whole->refusal.has_value());
    require(pieces->refusal == whole->refusal);
  }
  const ClientIdentity client{"node-1", "salt", "old key", {"alice", "pw"}};
  const auto helo = read_helo(bytes);
  if (helo) (void)make_ping(client, *helo);
  std::string reason;
  require(!check_pong(bytes, client, Helo{}, &reason).has_value());
  (void)read_ack(bytes);
  return 0;
}
