// The three protocols of `penstock send`.
//
// What was acked goes to the ledger before send() or finish() returns it as done. A chunk is given
// kAckTime from when it was first sent; within it, a lost connection is replaced and the chunk
// sent again under the same id.
//
// Thread: one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "cli/send/ack_ledger.h"
#include "cli/send/connection.h"
#include "cli/send/outgoing_event.h"
#include "codec/inflate.h"

namespace penstock::cli {

inline constexpr seconds kConnectTime{10};
inline constexpr seconds kAckTime{60};

struct ForwardOptions {
  Target target;
  std::string shared_key;  // empty: no handshake
  std::string user;
  std::string password;
  std::string tag;
  bool ack = false;
  std::string run;  // first part of the chunk ids
  uint32_t in_flight = 1;
  codec::Compression compression = codec::Compression::none;
};
[[nodiscard]] std::unique_ptr<ChunkSender> make_forward_sender(ForwardOptions options,
                                                               AckLedger ledger);

struct HttpSendOptions {
  std::string url;
  std::string ca_file;
  bool insecure = false;
  std::string authorization;  // value of the header; empty: none
  bool gzip = false;
};
[[nodiscard]] std::unique_ptr<ChunkSender> make_http_sender(HttpSendOptions options,
                                                            AckLedger ledger);

// Without acks: the protocol has none.
[[nodiscard]] std::unique_ptr<ChunkSender> make_syslog_sender(Target target);

// Says that nothing follows and waits until the peer has taken everything, 10 s at most.
void close_gently(Connection& connection);

}  // namespace penstock::cli
