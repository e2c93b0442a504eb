// ForwardSession: one connection of a Fluentd Forward client. Shakes hands, reads messages, appends
// them, and writes an ack once a chunk is as safe as the configuration asks.
//
// Ownership: itself (a shared_ptr lives in its coroutine) until the connection ends.
// Thread: one IoThread, all of it; acks come over from the spool by post().
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "base/log.h"
#include "ingest/intake.h"
#include "ingest/listener_source.h"
#include "ingest/session_set.h"
#include "net/event.h"
#include "protocol/forward/decoder.h"
#include "protocol/forward/handshake.h"

namespace penstock::ingest {

struct ForwardSettings final : SourceSettings {
  std::shared_ptr<const protocol::forward::HandshakeSettings> security;  // null: no handshake
  size_t message_bytes_max = 64_MiB;
  std::chrono::milliseconds age_max{0};  // 0: off
};

class ForwardSession final : public Session, public std::enable_shared_from_this<ForwardSession> {
 public:
  ForwardSession(Intake& intake, SessionSet& sessions, Accepted accepted,
                 std::shared_ptr<const ForwardSettings> settings);
  ~ForwardSession() override;

  // Begins; returns at once.
  void start();

  void half_close() override;
  void close() override;

 private:
  // A deadline that, when passed, ends the connection with its reason; without one, in silence.
  struct Deadline final : net::Watched {
    Deadline(ForwardSession& session, const char* passed) : owner(session), reason(passed) {}
    void expire() override;
    void in(seconds time) { deadline = std::chrono::steady_clock::now() + time; }
    void off() { deadline = net::kNoDeadline; }
    ForwardSession& owner;
    const char* const reason;
  };
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<bool> shake_hands();
  boost::asio::awaitable<bool> identify_peer();
  boost::asio::awaitable<void> read_messages();
  boost::asio::awaitable<bool> take_buffered();
  boost::asio::awaitable<bool> make_room();
  boost::asio::awaitable<bool> take(protocol::forward::Message message);
  void acknowledge(spool::AppendOutcome outcome, const std::string& chunk, bool is_bin);
  boost::asio::awaitable<void> write_acks();
  boost::asio::awaitable<void> settle_acks();
  void wake_settling();
  void end_writing_when_idle();
  [[nodiscard]] bool is_aged() const;
  void refuse(std::string_view reason, LogLevel level = LogLevel::warn);
  void refuse_peer(std::string_view reason);

  Intake& intake_;
  SessionSet& sessions_;
  net::IoThread& thread_;
  net::ConnectionLease connection_;
  std::unique_ptr<net::Stream> stream_;
  const std::shared_ptr<const ForwardSettings> settings_;
  metrics::Counter& bytes_received_;

  protocol::forward::Decoder decoder_;
  record::MemoryLease buffer_lease_;   // what the decoder's buffer costs
  size_t expected_message_bytes_ = 0;  // size of the last one: chunks of a sender are alike

  ByteBuffer acks_;           // encoded, not yet written
  size_t acks_expected_ = 0;  // chunks that wait for their outcome
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::shared_ptr<net::Event> settled_;  // set when no ack is due any more, once that is awaited
  bool writing_ = false;
  bool half_closing_ = false;
  bool writing_ended_ = false;
  bool closed_ = false;

  Deadline handshake_deadline_{*this, "handshake_timeout"};
  Deadline message_deadline_{*this, "message_timeout"};
  Deadline ack_deadline_{*this, "ack_timeout"};
  Deadline settle_deadline_{*this, nullptr};
};

}  // namespace penstock::ingest
