#include "ingest/forward_session.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "base/log.h"
#include "ingest/inflating.h"
#include "ingest/lend.h"
#include "protocol/forward/ack.h"
#include "protocol/forward/message_batch.h"

namespace penstock::ingest {

namespace asio = boost::asio;
namespace forward = protocol::forward;

namespace {

constexpr seconds kMessageByteTime{60};  // between two reads inside a message
constexpr seconds kAckTime{60};          // for the peer to take an ack
constexpr seconds kSettleTime{60};       // for acks to come due after the last byte was read

constexpr size_t kFirstBuffer = 16_KiB;
constexpr size_t kFirstBufferMax = 1_MiB;    // what a sender's last message may pre-size
constexpr size_t kAcksWaitingMax = 256_KiB;  // encoded acks a peer has not taken

}  // namespace

ForwardSession::ForwardSession(Intake& intake, SessionSet& sessions, Accepted accepted,
                               std::shared_ptr<const ForwardSettings> settings)
    : PeerSession(intake, sessions, std::move(accepted),
                  {.message = "forward connection refused", .client = "forward client refused"}),
      settings_(std::move(settings)),
      decoder_({.message_bytes_max = settings_->message_bytes_max}) {}

void ForwardSession::close() {
  PeerSession::close();
  wake_settling();
}

asio::awaitable<void> ForwardSession::converse() {
  const net::IoThread::Watch ack(thread_, ack_deadline_);
  const net::IoThread::Watch settle(thread_, settle_deadline_);
  co_await read_messages();
  co_await settle_acks();
}

asio::awaitable<bool> ForwardSession::identify_peer() {
  if (settings_->security == nullptr) co_return true;
  std::array<uint8_t, 2 * forward::kNonceSize> random{};
  CHECK(RAND_bytes(random.data(), random.size()) == 1);
  const ByteView salts(random);
  forward::ServerHandshake handshake(*settings_->security, salts.first(forward::kNonceSize),
                                     salts.last(forward::kNonceSize));
  const ByteBuffer helo = handshake.helo();
  if (co_await stream_->write(helo.view())) co_return false;
  for (;;) {
    const auto got = co_await stream_->read_some(handshake.free_space());
    if (!got || *got == 0) co_return false;
    bytes_received_.add(*got);
    handshake.commit(*got);
    const auto answer = handshake.next();
    if (!answer) continue;
    // Counted before the peer can know.
    if (answer->refusal) refuse_client(to_string(*answer->refusal));
    if (!answer->pong.empty()) {
      if (co_await stream_->write(answer->pong.view())) co_return false;
    }
    if (answer->refusal) co_return false;
    client_hostname_ = answer->client_hostname;
    const ByteView rest = handshake.left_over();
    if (!rest.empty()) {
      buffer_lease_ = co_await lend(intake_.memory(), rest.size());
      decoder_.grow(rest.size());
      std::copy(rest.begin(), rest.end(), decoder_.free_space().begin());
      decoder_.commit(rest.size());
    }
    co_return !closed();
  }
}

asio::awaitable<void> ForwardSession::read_messages() {
  while (co_await take_buffered()) {
    if (decoder_.buffered() == 0) {
      decoder_.release_buffer();
      buffer_lease_.release();
      end_writing_when_idle();
      if (co_await stream_->wait_readable()) co_return;
    }
    if (!co_await make_room()) co_return;
    message_deadline_.in(kMessageByteTime);
    const auto got = co_await stream_->read_some(decoder_.free_space());
    message_deadline_.off();
    if (!got || *got == 0) {
      if (decoder_.buffered() > 0) refuse("truncated", LogLevel::info);
      co_return;
    }
    bytes_received_.add(*got);
    decoder_.commit(*got);
  }
}

// Every whole message there is: false ends the connection.
asio::awaitable<bool> ForwardSession::take_buffered() {
  for (;;) {
    auto decoded = decoder_.next();
    if (!decoded) {
      refuse(to_string(decoded.error()));
      co_return false;
    }
    if (!*decoded) co_return true;
    if (!co_await take(std::move(**decoded))) co_return false;
  }
}

// Sees to it that the decoder has room to read into, and that the room is paid for.
asio::awaitable<bool> ForwardSession::make_room() {
  const size_t wanted = decoder_.wanted_capacity();
  const bool has_room = decoder_.capacity() >= wanted && !decoder_.free_space().empty();
  if (has_room && buffer_lease_.bytes() >= decoder_.capacity()) co_return true;
  const size_t first = std::clamp(expected_message_bytes_, kFirstBuffer, kFirstBufferMax);
  const size_t capacity =
      std::max(decoder_.capacity(), std::min(std::max(wanted, first), decoder_.capacity_max()));
  if (!buffer_lease_ || !intake_.memory().try_resize(buffer_lease_, capacity)) {
    memory::MemoryLease larger = co_await lend(intake_.memory(), capacity);
    buffer_lease_ = std::move(larger);
  }
  if (closed()) co_return false;
  decoder_.grow(capacity);
  co_return true;
}

// One whole message: false ends the connection.
asio::awaitable<bool> ForwardSession::take(forward::Message message) {
  expected_message_bytes_ = message.storage.size();
  memory::MemoryLease lease;
  if (message.storage_was_buffer) {
    lease = std::move(buffer_lease_);
    lease.shrink(message.storage.capacity());
  } else {
    lease = co_await lend_beside(intake_.memory(), buffer_lease_, message.storage.capacity());
    if (!lease) {
      refuse(to_string(forward::DecodeError::message_too_large));
      co_return false;
    }
  }
  if (message.compression != codec::Compression::none) {
    auto inflated = co_await inflate(intake_.memory(), message.compression, message.entries(),
                                     lease, settings_->message_bytes_max);
    if (!inflated) {
      refuse(to_string(inflated.error()));
      co_return false;
    }
    message.set_inflated(std::move(inflated->bytes));
    lease = std::move(inflated->lease);
  }
  co_return co_await append(std::move(message), std::move(lease));
}

asio::awaitable<bool> ForwardSession::append(forward::Message message, memory::MemoryLease lease) {
  const auto walked = record::walk_entries(message.entries());
  if (!walked) {
    refuse(to_string(walked.error()));
    co_return false;
  }
  memory::MemoryLease malformed_lease;
  if (walked->malformed_count > 0) {
    const size_t cost = forward::malformed_cost(*walked);
    malformed_lease = co_await lend_beside(intake_.memory(), lease, cost);
    if (!malformed_lease) {
      refuse("malformed_too_large");
      co_return false;
    }
    log_limited(LogLevel::warn, intake_.source() + "/malformed",
                "forward entries that are no [time, record] go to the dead letters",
                {{"source", intake_.source()},
                 {"entries", walked->malformed_count},
                 {"tag", message.tag},
                 {"peer", stream_->peer()}});
  }
  const std::string address = stream_->peer_address();
  auto arrived = forward::to_batch(message, *walked,
                                   {.source = intake_.source(),
                                    .sender = {address, client_hostname_},
                                    .received_ns = unix_nanoseconds(Clock::system().wall()),
                                    .lease = std::move(lease),
                                    .malformed_lease = std::move(malformed_lease)});
  std::function<void(spool::AppendOutcome)> finished;
  if (message.has_chunk) {
    ++acks_expected_;
    finished = [weak = weak_from_this(), executor = thread_.context().get_executor(),
                chunk = std::move(message.chunk),
                is_bin = message.chunk_is_bin](spool::AppendOutcome outcome) {
      asio::post(executor, [weak, outcome, chunk, is_bin] {
        const auto self = weak.lock();
        if (self) static_cast<ForwardSession&>(*self).acknowledge(outcome, chunk, is_bin);
      });
    };
  }
  if (arrived.batch.event_count == 0 && !arrived.malformed) {
    if (finished) finished(spool::AppendOutcome::done);
    co_return true;
  }
  // Named before it is awaited: GCC 12 copies temporaries of a co_await expression bit by bit.
  Received received{std::move(arrived.batch), arrived.fingerprint, std::move(arrived.malformed)};
  const auto admission = co_await intake_.append(std::move(received), std::move(finished));
  co_await admission->admitted->wait();
  co_return !closed();
}

void ForwardSession::acknowledge(spool::AppendOutcome outcome, const std::string& chunk,
                                 bool is_bin) {
  --acks_expected_;
  if (closed()) return;
  if (outcome == spool::AppendOutcome::done && !writing_ended_) {
    forward::append_ack(acks_, chunk, is_bin);
    if (acks_.size() > kAcksWaitingMax) {
      refuse("acks_not_read");
      close();
      return;
    }
    if (!writing_) {
      writing_ = true;
      asio::co_spawn(thread_.context(), write_acks(),
                     [self = shared_from_this()](const std::exception_ptr&) {});
    }
  }
  end_writing_when_idle();
  wake_settling();
}

asio::awaitable<void> ForwardSession::write_acks() {
  while (!acks_.empty() && !closed()) {
    const ByteBuffer bytes = std::exchange(acks_, {});
    ack_deadline_.in(kAckTime);
    const auto error = co_await stream_->write(bytes.view());
    ack_deadline_.off();
    if (error) {
      close();
      break;
    }
  }
  writing_ = false;
  // A chunk that is already under way is sent again by its sender, and recognized as a repeat.
  if (is_aged() && decoder_.buffered() == 0 && acks_expected_ == 0) half_closing_ = true;
  end_writing_when_idle();
  wake_settling();
}

// A peer that has ended its side, or sent something broken, still hears of the whole chunks it sent
// before: else it would send them again.
asio::awaitable<void> ForwardSession::settle_acks() {
  if (closed() || (acks_expected_ == 0 && !writing_)) co_return;
  settled_ = std::make_shared<net::Event>(thread_.context().get_executor());
  settle_deadline_.in(kSettleTime);
  co_await settled_->wait();
}

void ForwardSession::wake_settling() {
  if (settled_ && (closed() || (acks_expected_ == 0 && !writing_))) settled_->set();
}

bool ForwardSession::is_aged() const {
  return settings_->age_max.count() > 0 &&
         std::chrono::steady_clock::now() - begun_ > settings_->age_max;
}

void ForwardSession::half_close() {
  half_closing_ = true;
  end_writing_when_idle();
}

void ForwardSession::end_writing_when_idle() {
  const bool at_boundary = decoder_.buffered() == 0 && acks_expected_ == 0 && !writing_;
  if (!half_closing_ || !at_boundary || writing_ended_ || closed()) return;
  writing_ended_ = true;
  asio::co_spawn(thread_.context(), stream_->end_writing(),
                 [self = shared_from_this()](const std::exception_ptr&) {});
}

}  // namespace penstock::ingest
