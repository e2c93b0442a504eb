#include "ingest/peer_session.h"

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <string>

#include "ingest/arrival_watch.h"
#include "ingest/room_watch.h"
#include "protocol/proxy_header.h"

namespace penstock::ingest {

namespace asio = boost::asio;

namespace {

constexpr seconds kHandshakeTime{10};
constexpr seconds kMessageByteTime{60};  // between two reads inside a message
constexpr milliseconds kTurn{10};        // that a session may have its thread for
constexpr size_t kReadMax = 1_MiB;       // at once: a fast peer could fill any room
constexpr size_t kGatherMax = 1_MiB;     // that may wait in a socket

// What TLS state and socket cost beside buffers. Idle connections do not take more than half of the
// memory from those that send; beyond that they are served all the same.
memory::MemoryLease acquire_for_connection(memory::MemoryBudget& memory) {
  constexpr size_t kCost = 24_KiB;
  if (memory.leased_bytes() + kCost > memory.options().ordinary_bytes / 2) return {};
  return memory.try_acquire(kCost);
}

}  // namespace

PeerSession::PeerSession(Intake& intake, SessionSet& sessions, Accepted accepted, Words words)
    : intake_(intake),
      thread_(accepted.thread),
      stream_(std::move(accepted.stream)),
      bytes_received_(intake.metrics().bytes_received.with(intake.source())),
      sessions_(sessions),
      connection_(std::move(accepted.connection)),
      words_(words),
      has_tls_(accepted.has_tls),
      has_proxy_header_(accepted.has_proxy_header),
      pace_(*this, intake.memory()) {
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
  const memory::MemoryLease cost = acquire_for_connection(intake_.memory());
  const net::IoThread::Watch handshake(thread_, handshake_deadline_);
  const net::IoThread::Watch message(thread_, message_deadline_);
  const net::IoThread::Watch pace(thread_, pace_);
  handshake_deadline_.in(kHandshakeTime);
  bool welcome = true;
  if (has_proxy_header_) welcome = co_await read_proxy_header();
  if (welcome && has_tls_) welcome = co_await look_before_tls();
  if (welcome) welcome = co_await shake_hands();
  if (welcome) welcome = co_await identify_peer();
  handshake_deadline_.off();
  if (welcome && !closed_) co_await converse();
  close();
}

void PeerSession::refuse_opening(protocol::Opening opening) {
  switch (opening) {
    case protocol::Opening::tls:
      return refuse("tls_on_plain_port", LogLevel::warn, "the source has no `tls`");
    case protocol::Opening::http:
      return refuse("http_on_this_port", LogLevel::warn,
                    has_tls_ ? "HTTP without TLS: the source has `tls`" : "no http source");
    case protocol::Opening::proxy:
      return refuse("proxy_protocol", LogLevel::warn,
                    "a PROXY header: set `proxy_protocol: true`, or have the balancer send none");
    case protocol::Opening::other:
    case protocol::Opening::undecided:
      break;
  }
}

// A balancer's word about whose connection this is. Not a byte behind it is read. A balancer that
// looks whether we are there connects and closes: nothing to report.
asio::awaitable<bool> PeerSession::read_proxy_header() {
  ByteBuffer bytes(protocol::kProxyHeaderMax);
  protocol::ProxyHeader header;
  for (;;) {
    const auto read = protocol::read_proxy_header(bytes.view(), header);
    if (read == protocol::ProxyRead::done) break;
    if (read != protocol::ProxyRead::need_bytes) {
      const bool is_none = read == protocol::ProxyRead::none;
      refuse("proxy_protocol", LogLevel::warn,
             is_none ? "no PROXY header: the peer is no balancer, or sends none"
                     : "a PROXY header that cannot be read");
      co_return false;
    }
    const auto got =
        co_await stream_->receive(bytes.free_space().first(header.size - bytes.size()), false);
    if (!got || *got == 0) {
      if (!bytes.empty()) refuse("truncated", LogLevel::info);
      co_return false;
    }
    bytes_received_.add(*got);
    bytes.commit(*got);
  }
  if (!header.peer.empty()) stream_->set_peer(std::move(header.peer));
  co_return !closed_;
}

asio::awaitable<protocol::Opening> PeerSession::look_ahead() {
  std::array<uint8_t, 512> bytes;
  const auto got = co_await stream_->receive(bytes, true);
  if (!got) co_return protocol::Opening::undecided;
  co_return protocol::opening_of(ByteView(bytes).first(*got));
}

// OpenSSL would tell what is no TLS by a number: look first.
asio::awaitable<bool> PeerSession::look_before_tls() {
  const auto opening = co_await look_ahead();
  if (opening != protocol::Opening::proxy && opening != protocol::Opening::http) co_return true;
  refuse_opening(opening);
  co_return false;
}

asio::awaitable<Result<size_t, boost::system::error_code>> PeerSession::read_some(
    std::span<uint8_t> room, const memory::MemoryLease& lease) {
  if (turn_is_over()) co_await give_turn();
  message_deadline_.in(kMessageByteTime);
  pace_.waits(lease);
  const auto got = co_await stream_->read_some(room.first(std::min(room.size(), kReadMax)));
  const size_t count = got.value_or(0);
  const size_t is_known = std::min(paced_ahead_, count);
  paced_ahead_ -= is_known;
  pace_.came(count - is_known);
  message_deadline_.off();
  bytes_received_.add(count);
  co_return got;
}

asio::awaitable<bool> PeerSession::gather(size_t bytes, const memory::MemoryLease& lease) {
  if (bytes > kGatherMax) co_return false;
  paced_ahead_ = std::min(paced_ahead_, stream_->bytes_waiting());
  message_deadline_.in(kMessageByteTime);
  pace_.waits(lease);
  ArrivalWatch arrival(*stream_, paced_ahead_, [this](size_t more) {
    message_deadline_.in(kMessageByteTime);
    pace_.arrives(more);
  });
  const net::IoThread::Watch watch(thread_, arrival);
  const auto error = co_await stream_->wait_for_bytes(bytes);
  pace_.came(0);
  message_deadline_.off();
  co_return !error && !closed_ && stream_->bytes_waiting() >= bytes;
}

asio::awaitable<bool> PeerSession::wait_for_room(Admission& admission, bool is_large,
                                                 seconds patience) {
  if (!is_large) {
    co_await admission.admitted->wait();
    co_return true;
  }
  RoomWatch room(admission, intake_.spool(), patience);
  const net::IoThread::Watch watch(thread_, room);
  co_await admission.admitted->wait();
  if (room.is_taken_back()) refuse("no_room");
  co_return !room.is_taken_back();
}

bool PeerSession::turn_is_over() const {
  return std::chrono::steady_clock::now() - turn_began_ > kTurn;
}

asio::awaitable<void> PeerSession::give_turn() {
  co_await asio::post(thread_.context(), asio::use_awaitable);
  turn_began_ = std::chrono::steady_clock::now();
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
