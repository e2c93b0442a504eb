#include "ingest/peer_session.h"

#include <boost/asio/co_spawn.hpp>
#include <string>

namespace penstock::ingest {

namespace asio = boost::asio;

namespace {

constexpr seconds kHandshakeTime{10};

}  // namespace

PeerSession::PeerSession(Intake& intake, SessionSet& sessions, Accepted accepted, Words words)
    : intake_(intake),
      thread_(accepted.thread),
      stream_(std::move(accepted.stream)),
      bytes_received_(intake.metrics().bytes_received.with(intake.source())),
      sessions_(sessions),
      connection_(std::move(accepted.connection)),
      words_(words) {
  intake_.metrics().connections.with(intake_.source()).add();
}

PeerSession::~PeerSession() { intake_.metrics().connections.with(intake_.source()).sub(); }

void PeerSession::start() {
  auto self = shared_from_this();
  asio::co_spawn(thread_.context(), run(), [self](const std::exception_ptr& error) {
    if (error) self->refuse("internal");  // out of memory: this connection ends, others go on
    self->close();
  });
}

void PeerSession::refuse(std::string_view reason, LogLevel level, std::string_view detail) {
  if (closed_) return;
  intake_.metrics().messages_refused.with(intake_.source(), reason).add();
  const std::string key = intake_.source() + "/" + std::string(reason);
  if (detail.empty()) {
    log_limited(level, key, words_.message,
                {{"source", intake_.source()}, {"reason", reason}, {"peer", stream_->peer()}});
    return;
  }
  log_limited(level, key, words_.message,
              {{"source", intake_.source()},
               {"reason", reason},
               {"detail", detail},
               {"peer", stream_->peer()}});
}

void PeerSession::refuse_client(std::string_view reason) {
  if (closed_) return;
  intake_.metrics().auth_failures.with(intake_.source(), reason).add();
  log_limited(LogLevel::warn, intake_.source() + "/auth/" + std::string(reason), words_.client,
              {{"source", intake_.source()}, {"reason", reason}, {"peer", stream_->peer()}});
}

void PeerSession::end_late(std::string_view reason) {
  if (!reason.empty()) refuse(reason);
  close();
}

void PeerSession::close() {
  if (closed_) return;
  closed_ = true;
  stream_->close();
}

asio::awaitable<void> PeerSession::run() {
  const SessionSet::Place place(sessions_, thread_, *this);
  const net::IoThread::Watch handshake(thread_, handshake_deadline_);
  const net::IoThread::Watch message(thread_, message_deadline_);
  handshake_deadline_.in(kHandshakeTime);
  bool welcome = co_await shake_hands();
  if (welcome) welcome = co_await identify_peer();
  handshake_deadline_.off();
  if (welcome && !closed_) co_await converse();
  close();
}

asio::awaitable<bool> PeerSession::shake_hands() {
  const auto shaken = co_await stream_->handshake();
  if (shaken) co_return true;
  // Fluentd's transport heartbeat and the probes of load balancers connect and close: nothing to
  // report.
  log_debug("TLS handshake ended", {{"peer", stream_->peer()}, {"error", shaken.error()}});
  if (shaken.error().find("closed") == std::string::npos &&
      shaken.error().find("reset") == std::string::npos) {
    refuse("tls_handshake", LogLevel::warn, shaken.error());
  }
  co_return false;
}

asio::awaitable<bool> PeerSession::identify_peer() { co_return true; }

}  // namespace penstock::ingest
