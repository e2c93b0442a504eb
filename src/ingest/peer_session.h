// PeerSession: what the sessions of every protocol have in common: the connection and its place
// among the source's, TLS, refusals counted and told of, and the end.
//
// Ownership: itself (a shared_ptr lives in its coroutine) until the connection ends.
// Thread: one IoThread, all of it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <span>
#include <string_view>

#include "base/log.h"
#include "ingest/intake.h"
#include "ingest/listener_source.h"
#include "ingest/peer_deadline.h"
#include "ingest/peer_pace.h"
#include "ingest/session_set.h"
#include "protocol/opening.h"

namespace penstock::ingest {

class PeerSession : public Session,
                    public Expirable,
                    public std::enable_shared_from_this<PeerSession> {
 public:
  ~PeerSession() override;

  // Begins; returns at once.
  void start();

  void close() override;
  void end_late(std::string_view reason) final;

 protected:
  // What the log says when something is refused.
  struct Words {
    std::string_view message;  // "http request rejected"
    std::string_view client;   // for who it came from
  };
  PeerSession(Intake& intake, SessionSet& sessions, Accepted accepted, Words words);

  // Who is there? False ends the connection. Under the deadline of the TLS handshake.
  virtual boost::asio::awaitable<bool> identify_peer();
  // Until the connection ends, or is to end.
  virtual boost::asio::awaitable<void> converse() = 0;

  // Counted in messages_refused, and in auth_failures.
  // detail: for the log alone, nothing of a record.
  void refuse(std::string_view reason, LogLevel level = LogLevel::warn,
              std::string_view detail = {});
  void refuse_client(std::string_view reason);
  // What the bytes are that have come and not been read yet, of a connection without TLS.
  boost::asio::awaitable<protocol::Opening> look_ahead();
  // For what begins with another protocol. opening: neither other nor undecided.
  void refuse_opening(protocol::Opening opening);

  [[nodiscard]] bool closed() const { return closed_; }

  // What comes of a message, which lease pays for; under the deadline for a byte inside a message.
  // 0 bytes: the peer has ended its side.
  boost::asio::awaitable<Result<size_t, boost::system::error_code>> read_some(
      std::span<uint8_t> room, const memory::MemoryLease& lease);
  // Until so many bytes more of a message wait in the socket, while there is no memory for one that
  // its sender has not ended; lease pays for what was read of it. False: so many do not fit there,
  // or the peer has ended its side.
  boost::asio::awaitable<bool> gather(size_t bytes, const memory::MemoryLease& lease);
  // Until the message is admitted. is_large: it is on the large loan. False: it was taken back, for
  // a large entry that is to be delivered (RoomWatch), and counted as refused.
  boost::asio::awaitable<bool> wait_for_room(Admission& admission, bool is_large, seconds patience);
  // Nothing of a message is held: the peer may take its time.
  void rest() { pace_.rests(); }

  // This session has had the thread for long enough, without having waited for anything. Then let
  // the others have theirs.
  [[nodiscard]] bool turn_is_over() const;
  boost::asio::awaitable<void> give_turn();

  Intake& intake_;
  net::IoThread& thread_;
  const std::unique_ptr<net::Stream> stream_;
  metrics::Counter& bytes_received_;
  PeerDeadline message_deadline_{*this, "message_timeout"};

 private:
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<bool> read_proxy_header();
  boost::asio::awaitable<bool> look_before_tls();
  boost::asio::awaitable<bool> shake_hands();

  SessionSet& sessions_;
  const net::ConnectionLease connection_;
  const Words words_;
  const bool has_tls_;
  const bool has_proxy_header_;
  bool closed_ = false;
  SteadyTime turn_began_{};
  size_t paced_ahead_ = 0;  // of what waits in the socket: what pace_ knows of
  PeerPace pace_;
  PeerDeadline handshake_deadline_{*this, "handshake_timeout"};
};

}  // namespace penstock::ingest
