// ForwardSession: one connection of a Fluentd Forward client. Shakes hands, reads messages, appends
// them, and writes an ack once a chunk is as safe as the configuration asks.
//
// Ownership and thread: see PeerSession; acks come over from the spool by post().
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "ingest/peer_session.h"
#include "net/event.h"
#include "protocol/forward/decoder.h"
#include "protocol/forward/handshake.h"

namespace penstock::ingest {

struct ForwardSettings final : SourceSettings {
  std::shared_ptr<const protocol::forward::HandshakeSettings> security;  // null: no handshake
  size_t message_bytes_max = 64_MiB;
  std::chrono::milliseconds age_max{0};  // 0: off
};

class ForwardSession final : public PeerSession {
 public:
  ForwardSession(Intake& intake, SessionSet& sessions, Accepted accepted,
                 std::shared_ptr<const ForwardSettings> settings);

  void half_close() override;
  void close() override;

 private:
  boost::asio::awaitable<bool> identify_peer() override;
  boost::asio::awaitable<void> converse() override;
  boost::asio::awaitable<void> read_messages();
  boost::asio::awaitable<bool> take_buffered();
  boost::asio::awaitable<bool> make_room();
  boost::asio::awaitable<bool> await_room(size_t capacity);
  boost::asio::awaitable<bool> take(protocol::forward::Message message);
  boost::asio::awaitable<bool> append(protocol::forward::Message message,
                                      memory::MemoryLease lease);
  boost::asio::awaitable<bool> inflate_entries(protocol::forward::Message& message,
                                               memory::MemoryLease& lease);
  std::function<void(spool::AppendOutcome)> expect_ack(protocol::forward::Message& message);
  void acknowledge(spool::AppendOutcome outcome, const std::string& chunk, bool is_bin);
  boost::asio::awaitable<void> write_acks();
  boost::asio::awaitable<void> settle_acks();
  void wake_settling();
  [[nodiscard]] bool is_at_boundary() const;
  void end_writing_when_idle();
  [[nodiscard]] bool is_aged() const;

  const std::shared_ptr<const ForwardSettings> settings_;

  std::string client_hostname_;  // as its handshake says; empty: there was none
  protocol::forward::Decoder decoder_;
  memory::MemoryLease buffer_lease_;   // what the decoder's buffer costs
  size_t expected_message_bytes_ = 0;  // size of the last one: chunks of a sender are alike
  size_t first_read_bytes_ = 16_KiB;   // what is read at once at least

  ByteBuffer acks_;           // encoded, not yet written
  size_t acks_expected_ = 0;  // chunks that wait for their outcome
  bool is_taking_ = false;    // a message has left the decoder and is not handed on
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::shared_ptr<net::Event> settled_;  // set when no ack is due any more, once that is awaited
  bool writing_ = false;
  bool half_closing_ = false;
  bool writing_ended_ = false;

  PeerDeadline ack_deadline_{*this, "ack_timeout"};
  PeerDeadline settle_deadline_{*this, ""};
  PeerDeadline leave_deadline_{*this, ""};
};

}  // namespace penstock::ingest
