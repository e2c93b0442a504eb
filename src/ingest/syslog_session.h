// SyslogSession: one connection of a syslog sender, TCP or TLS. Syslog has no acknowledgement: what
// is pushed back waits in the sender because nothing is read.
//
// Ownership and thread: see PeerSession.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>

#include "ingest/peer_session.h"
#include "ingest/syslog_batch.h"
#include "protocol/syslog/framing.h"

namespace penstock::ingest {

struct SyslogSettings final : SourceSettings {
  size_t message_bytes_max = 1_MiB;
  bool unwrap_json = false;
  bool udp = false;  // looked at when the source is opened
};

class SyslogSession final : public PeerSession {
 public:
  SyslogSession(Intake& intake, SessionSet& sessions, Accepted accepted,
                std::shared_ptr<const SyslogSettings> settings);

  void half_close() override;

 private:
  boost::asio::awaitable<void> converse() override;
  boost::asio::awaitable<void> make_room();
  boost::asio::awaitable<bool> take_buffered();
  boost::asio::awaitable<bool> take_received();
  boost::asio::awaitable<void> take_rest();
  boost::asio::awaitable<void> add(ByteView message);
  boost::asio::awaitable<void> flush();

  const std::shared_ptr<const SyslogSettings> settings_;
  protocol::syslog::FrameReader frames_;
  bool is_syslog_ = false;  // as far as the connection's first bytes tell
  ByteBuffer buffer_;       // received, not yet a whole message
  memory::MemoryLease buffer_lease_;
  std::optional<SyslogBatch> batch_;  // of one read
  memory::MemoryLease batch_lease_;
};

}  // namespace penstock::ingest
