#include "ingest/syslog_session.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>

#include "ingest/lend.h"

namespace penstock::ingest {

namespace asio = boost::asio;
using protocol::syslog::FrameReader;

namespace {

constexpr seconds kHandshakeTime{10};
constexpr seconds kMessageByteTime{60};  // between two reads inside a message
constexpr size_t kRead = 64_KiB;
constexpr size_t kBatch = 512_KiB;  // entries of one append; one large message may need more

}  // namespace

SyslogSession::SyslogSession(Intake& intake, SessionSet& sessions, Accepted accepted,
                             std::shared_ptr<const SyslogSettings> settings)
    : intake_(intake),
      sessions_(sessions),
      thread_(accepted.thread),
      connection_(std::move(accepted.connection)),
      stream_(std::move(accepted.stream)),
      settings_(std::move(settings)),
      bytes_received_(intake.metrics().bytes_received.with(intake.source())),
      frames_(settings_->message_bytes_max) {
  intake_.metrics().connections.with(intake_.source()).add();
}

SyslogSession::~SyslogSession() { intake_.metrics().connections.with(intake_.source()).sub(); }

void SyslogSession::start() {
  auto self = shared_from_this();
  asio::co_spawn(thread_.context(), run(), [self](const std::exception_ptr& error) {
    if (error) self->note("internal");  // out of memory: this connection ends, others go on
    self->close();
  });
}

void SyslogSession::note(std::string_view reason, LogLevel level) {
  if (closed_) return;
  intake_.metrics().messages_refused.with(intake_.source(), reason).add();
  log_limited(level, intake_.source() + "/" + std::string(reason), "syslog message refused",
              {{"source", intake_.source()}, {"reason", reason}, {"peer", stream_->peer()}});
}

void SyslogSession::end_late(std::string_view reason) {
  note(reason);
  close();
}

void SyslogSession::close() {
  if (closed_) return;
  closed_ = true;
  stream_->close();
}

// Senders that look learn of it; what they still send is taken until they leave.
void SyslogSession::half_close() {
  if (closed_) return;
  asio::co_spawn(thread_.context(), stream_->end_writing(),
                 [self = shared_from_this()](const std::exception_ptr&) {});
}

asio::awaitable<void> SyslogSession::run() {
  const SessionSet::Place place(sessions_, thread_, *this);
  const net::IoThread::Watch handshake(thread_, handshake_deadline_);
  const net::IoThread::Watch message(thread_, message_deadline_);
  if (co_await shake_hands()) co_await read_messages();
  close();
}

asio::awaitable<bool> SyslogSession::shake_hands() {
  handshake_deadline_.in(kHandshakeTime);
  const auto shaken = co_await stream_->handshake();
  handshake_deadline_.off();
  if (shaken) co_return !closed_;
  log_debug("TLS handshake ended", {{"peer", stream_->peer()}, {"error", shaken.error()}});
  if (shaken.error().find("closed") == std::string::npos &&
      shaken.error().find("reset") == std::string::npos) {
    note("tls_handshake");
  }
  co_return false;
}

asio::awaitable<void> SyslogSession::read_messages() {
  for (;;) {
    if (buffer_.empty()) {
      buffer_.release();
      buffer_lease_.release();
      if (co_await stream_->wait_readable()) co_return;
    }
    co_await make_room();
    if (closed_) co_return;
    message_deadline_.in(kMessageByteTime);
    const auto got = co_await stream_->read_some(buffer_.free_space());
    message_deadline_.off();
    if (!got || *got == 0) {
      co_await take_rest();
      co_return;
    }
    bytes_received_.add(*got);
    buffer_.commit(*got);
    co_await take_buffered();
    if (closed_) co_return;
  }
}

asio::awaitable<void> SyslogSession::make_room() {
  if (!buffer_.free_space().empty()) co_return;
  const size_t most = settings_->message_bytes_max + FrameReader::kHeadMax + kRead;
  const size_t capacity = std::min(std::max(kRead, 2 * buffer_.capacity()), most);
  if (!buffer_lease_ || !intake_.memory().try_resize(buffer_lease_, capacity)) {
    record::MemoryLease larger = co_await lend(intake_.memory(), capacity);
    buffer_lease_ = std::move(larger);
  }
  buffer_.reserve(capacity);
}

// Every whole message there is, and then one append for all of them.
asio::awaitable<void> SyslogSession::take_buffered() {
  size_t taken = 0;
  for (;;) {
    size_t consumed = 0;
    ByteView message;
    const auto outcome = frames_.next(buffer_.view().subspan(taken), consumed, message);
    taken += consumed;
    if (outcome == FrameReader::Outcome::need_bytes) break;
    if (outcome == FrameReader::Outcome::too_large) {
      note("too_large");
    } else if (!message.empty()) {
      co_await add(message);
      if (closed_) co_return;
    }
  }
  buffer_.consume(taken);
  co_await flush();
}

// The peer has ended: a last line without its newline is a message.
asio::awaitable<void> SyslogSession::take_rest() {
  const auto rest = frames_.finish(buffer_.view());
  if (rest.is_cut_off) note("truncated", LogLevel::info);
  if (closed_ || rest.message.empty()) co_return;
  co_await add(rest.message);
  co_await flush();
}

// message points into the buffer, which stays as it is until the read's messages are all taken.
asio::awaitable<void> SyslogSession::add(ByteView message) {
  if (batch_ && !batch_->has_room(message.size())) co_await flush();
  if (!batch_) {
    const size_t usual = std::min(kBatch, 16_KiB + 8 * buffer_.size());
    const size_t bytes = std::max(usual, SyslogBatch::cost(message.size()));
    batch_lease_ = co_await lend(intake_.memory(), bytes);
    batch_.emplace(unix_nanoseconds(Clock::system().wall()), bytes, settings_->unwrap_json);
  }
  batch_->add(message);
}

// Comes back when the spool has admitted it: until then nothing is read.
asio::awaitable<void> SyslogSession::flush() {
  if (!batch_ || batch_->empty()) co_return;
  Received received{batch_->take(), std::nullopt, std::nullopt};
  batch_.reset();
  batch_lease_.shrink(received.batch.storage.capacity());
  received.batch.source = intake_.source();
  received.batch.lease = std::move(batch_lease_);
  const auto admission = co_await intake_.append(std::move(received));
  co_await admission->admitted->wait();
}

}  // namespace penstock::ingest
