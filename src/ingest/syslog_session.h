// SyslogSession: one connection of a syslog sender, TCP or TLS. Syslog has no acknowledgement: what
// is pushed back waits in the sender because nothing is read.
//
// Ownership: itself (a shared_ptr lives in its coroutine) until the connection ends.
// Thread: one IoThread, all of it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string_view>

#include "base/log.h"
#include "ingest/listener_source.h"
#include "ingest/peer_deadline.h"
#include "ingest/syslog_batch.h"
#include "protocol/syslog/framing.h"

namespace penstock::ingest {

struct SyslogSettings final : SourceSettings {
  size_t message_bytes_max = 1_MiB;
  bool unwrap_json = false;
  bool udp = false;  // looked at when the source is opened
};

class SyslogSession final : public Session,
                            public Expirable,
                            public std::enable_shared_from_this<SyslogSession> {
 public:
  SyslogSession(Intake& intake, SessionSet& sessions, Accepted accepted,
                std::shared_ptr<const SyslogSettings> settings);
  ~SyslogSession() override;

  // Begins; returns at once.
  void start();

  void half_close() override;
  void close() override;
  void end_late(std::string_view reason) override;

 private:
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<bool> shake_hands();
  boost::asio::awaitable<void> read_messages();
  boost::asio::awaitable<void> make_room();
  boost::asio::awaitable<void> take_buffered();
  boost::asio::awaitable<void> take_rest();
  boost::asio::awaitable<void> add(ByteView message);
  boost::asio::awaitable<void> flush();
  void note(std::string_view reason, LogLevel level = LogLevel::warn);

  Intake& intake_;
  SessionSet& sessions_;
  net::IoThread& thread_;
  net::ConnectionLease connection_;
  std::unique_ptr<net::Stream> stream_;
  const std::shared_ptr<const SyslogSettings> settings_;
  metrics::Counter& bytes_received_;

  protocol::syslog::FrameReader frames_;
  ByteBuffer buffer_;  // received, not yet a whole message
  record::MemoryLease buffer_lease_;
  std::optional<SyslogBatch> batch_;  // of one read
  record::MemoryLease batch_lease_;
  bool closed_ = false;

  PeerDeadline handshake_deadline_{*this, "handshake_timeout"};
  PeerDeadline message_deadline_{*this, "message_timeout"};
};

}  // namespace penstock::ingest
