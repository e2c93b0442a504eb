#include "ingest/syslog_session.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>

#include "ingest/acquire_memory.h"
#include "ingest/work_limits.h"
#include "net/run_aside.h"
#include "protocol/opening.h"

namespace penstock::ingest {

namespace asio = boost::asio;
using protocol::syslog::FrameReader;

namespace {

constexpr size_t kRead = 64_KiB;
constexpr size_t kBatch = 512_KiB;  // entries of one append; one large message may need more
constexpr seconds kRoomTime{60};    // to wait for room on memory that others wait for

}  // namespace

SyslogSession::SyslogSession(Intake& intake, SessionSet& sessions, Accepted accepted,
                             std::shared_ptr<const SyslogSettings> settings)
    : PeerSession(intake, sessions, std::move(accepted),
                  {.message = "syslog message rejected", .client = "syslog client rejected"}),
      settings_(std::move(settings)),
      frames_(settings_->message_bytes_max) {}

// Senders that look learn of it; what they still send is taken until they leave.
void SyslogSession::half_close() {
  if (closed()) return;
  asio::co_spawn(thread_.context(), stream_->end_writing(),
                 [self = shared_from_this()](const std::exception_ptr&) {});
}

asio::awaitable<void> SyslogSession::converse() {
  for (;;) {
    if (buffer_.empty()) {
      buffer_.release();
      buffer_lease_.release();
      rest();
      if (co_await stream_->wait_readable()) co_return;
    }
    co_await make_room();
    if (closed()) co_return;
    const auto got = co_await read_some(buffer_.free_space(), buffer_lease_);
    if (!got || *got == 0) {
      if (co_await take_buffered()) co_await take_rest();
      co_return;
    }
    buffer_.commit(*got);
    if (!co_await take_received()) co_return;
  }
}

// False ends the connection, here and below.
asio::awaitable<bool> SyslogSession::take_received() {
  if (!is_syslog_) {
    const auto opening = protocol::opening_of(buffer_.view());
    if (opening == protocol::Opening::undecided) co_return true;
    if (opening != protocol::Opening::other) {
      refuse_opening(opening);
      co_return false;
    }
    is_syslog_ = true;
  }
  co_return co_await take_buffered();
}

asio::awaitable<void> SyslogSession::make_room() {
  if (!buffer_.free_space().empty()) co_return;
  const size_t most = settings_->message_bytes_max + FrameReader::kHeadMax + kRead;
  const size_t capacity = std::min(std::max(kRead, 2 * buffer_.capacity()), most);
  if (!buffer_lease_ || !intake_.memory().try_resize(buffer_lease_, capacity)) {
    memory::MemoryLease larger = co_await acquire_memory(intake_.memory(), capacity);
    buffer_lease_ = std::move(larger);
  }
  buffer_.reserve(capacity);
}

// Every whole message there is, and then one append for all of them.
asio::awaitable<bool> SyslogSession::take_buffered() {
  size_t taken = 0;
  bool is_in_step = true;
  for (;;) {
    size_t consumed = 0;
    ByteView message;
    const auto outcome = frames_.next(buffer_.view().subspan(taken), consumed, message);
    taken += consumed;
    if (outcome == FrameReader::Outcome::need_bytes) break;
    if (outcome == FrameReader::Outcome::out_of_step) {
      refuse("out_of_step", LogLevel::warn,
             "a counted message is followed by something that is no count: the one before has "
             "another length than it says");
      is_in_step = false;
      break;
    }
    if (outcome == FrameReader::Outcome::too_large) {
      refuse("too_large");
    } else if (!message.empty()) {
      co_await add(message);
      if (closed()) co_return false;
    }
  }
  buffer_.consume(taken);
  co_await flush();
  co_return is_in_step && !closed();
}

// The peer has ended: a last line without its newline is a message.
asio::awaitable<void> SyslogSession::take_rest() {
  const auto rest = frames_.finish(buffer_.view());
  if (rest.is_cut_off) refuse("truncated", LogLevel::info);
  if (closed() || rest.message.empty()) co_return;
  co_await add(rest.message);
  co_await flush();
}

// message points into the buffer, which stays as it is until the read's messages are all taken.
asio::awaitable<void> SyslogSession::add(ByteView message) {
  if (batch_ && !batch_->has_room(message.size())) co_await flush();
  if (!batch_) {
    const size_t usual = std::min(kBatch, 16_KiB + 8 * buffer_.size());
    const bool is_usual = SyslogBatch::cost(message.size()) <= usual;
    const size_t bytes = is_usual ? usual : protocol::syslog::entry_size_max(message);
    if (bytes <= kEntryBytesMax) {
      batch_lease_ = co_await acquire_additional_memory(intake_.memory(), buffer_lease_, bytes);
    }
    if (!batch_lease_) {
      refuse("too_large");  // not for the wire, but with its escapes for memory
      co_return;
    }
    batch_.emplace(unix_nanoseconds(Clock::system().wall()), bytes, settings_->unwrap_json,
                   is_usual ? 0 : bytes);
  }
  if (!is_long_work(message.size())) {
    batch_->add(message);
    co_return;
  }
  auto append = [&] {
    batch_->add(message);
    return batch_->empty();
  };
  (void)co_await net::run_aside(thread_, append);
}

// Comes back when the spool has admitted it: until then nothing is read.
asio::awaitable<void> SyslogSession::flush() {
  if (!batch_ || batch_->empty()) co_return;
  Received received{batch_->take(), std::nullopt, std::nullopt};
  batch_.reset();
  batch_lease_.shrink(received.batch.storage.capacity());
  received.batch.source = intake_.source();
  received.batch.lease = std::move(batch_lease_);
  const bool is_large = received.batch.lease.large();
  const auto admission = co_await intake_.append(thread_, std::move(received), nullptr);
  if (!co_await wait_for_room(*admission, is_large, kRoomTime)) co_return close();
  if (turn_is_over()) co_await give_turn();
}

}  // namespace penstock::ingest
