#include "ingest/forward_session.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "base/log.h"
#include "ingest/acquire_memory.h"
#include "ingest/inflating.h"
#include "ingest/work_limits.h"
#include "net/run_aside.h"
#include "protocol/forward/ack.h"
#include "protocol/forward/message_batch.h"

namespace penstock::ingest {

namespace asio = boost::asio;
namespace forward = protocol::forward;

namespace {

constexpr seconds kAckTime{60};     // for the peer to take an ack
constexpr seconds kSettleTime{60};  // for acks to come due after the last byte was read
constexpr seconds kLeaveTime{5};    // for the peer to leave after a connection grew too old
// How long a message waits for room on memory that others wait for, by whether it is sent again.
constexpr seconds kRoomTime{10};
constexpr seconds kRoomTimeWithoutAck{60};

constexpr size_t kFirstBuffer = 16_KiB;
constexpr size_t kBusyBuffer = 64_KiB;  // for a sender that fills its buffer
// What a sender's last message may pre-size: larger blocks are mapped by malloc, and grow without a
// copy (mremap).
constexpr size_t kFirstBufferMax = 4_MiB;
constexpr size_t kAcksWaitingMax = 256_KiB;  // encoded acks a peer has not taken

}  // namespace

ForwardSession::ForwardSession(Intake& intake, SessionSet& sessions, Accepted accepted,
                               std::shared_ptr<const ForwardSettings> settings)
    : PeerSession(intake, sessions, std::move(accepted),
                  {.message = "forward connection rejected", .client = "forward client rejected"}),
      settings_(std::move(settings)),
      decoder_({.message_bytes_max = settings_->message_bytes_max}) {}

void ForwardSession::close() {
  PeerSession::close();
  wake_settling();
}

asio::awaitable<void> ForwardSession::converse() {
  const net::IoThread::Watch ack(thread_, ack_deadline_);
  const net::IoThread::Watch settle(thread_, settle_deadline_);
  const net::IoThread::Watch leave(thread_, leave_deadline_);
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
      buffer_lease_ = co_await acquire_memory(intake_.memory(), rest.size());
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
      rest();
      end_writing_when_idle();
      if (co_await stream_->wait_readable()) co_return;
    }
    if (!co_await make_room()) co_return;
    const auto got = co_await read_some(decoder_.free_space(), buffer_lease_);
    if (!got || *got == 0) {
      if (decoder_.buffered() > 0) refuse("truncated", LogLevel::info);
      co_return;
    }
    decoder_.commit(*got);
    first_read_bytes_ = decoder_.free_space().empty() ? kBusyBuffer : kFirstBuffer;
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
    is_taking_ = true;
    const bool goes_on = co_await take(std::move(**decoded));
    is_taking_ = false;
    if (!goes_on) co_return false;
    if (turn_is_over()) co_await give_turn();
  }
}

// Sees to it that the decoder has room to read into, and that the room is paid for. It is never
// more than twice what has come, whatever the message announces, or what this sender's messages
// come to.
asio::awaitable<bool> ForwardSession::make_room() {
  const bool has_room = !decoder_.free_space().empty();
  if (has_room && buffer_lease_.bytes() >= decoder_.capacity()) co_return true;
  const size_t usual = std::clamp(expected_message_bytes_, first_read_bytes_, kFirstBufferMax);
  const size_t step = std::max(usual, 2 * decoder_.capacity());
  const size_t wanted = std::max(decoder_.wanted_capacity(), usual);
  const size_t capacity =
      std::max(decoder_.capacity(), std::min({wanted, step, decoder_.capacity_max()}));
  memory::MemoryBudget& memory = intake_.memory();
  if (buffer_lease_ && memory.try_resize(buffer_lease_, capacity)) {
    decoder_.grow(capacity);
    co_return true;
  }
  if (memory::MemoryLease larger = memory.try_acquire(capacity)) {
    buffer_lease_ = std::move(larger);
    decoder_.grow(capacity);
    co_return true;
  }
  co_return co_await await_room(capacity);
}

// There is no memory for `capacity` now. A message that has not begun needs less, and one whose
// size is known first comes as far as into the socket, so that memory for it is not held by a
// sender that stalls.
asio::awaitable<bool> ForwardSession::await_room(size_t capacity) {
  memory::Purpose purpose = memory::Purpose::incoming;
  if (decoder_.buffered() == 0) {
    capacity = std::max(decoder_.capacity(), kFirstBuffer);
  } else if (const auto missing = decoder_.missing(); missing && !buffer_lease_.large()) {
    if (co_await gather(*missing, buffer_lease_)) {
      purpose = memory::Purpose::whole;
      capacity = decoder_.wanted_capacity();
    }
    if (closed()) co_return false;
  }
  if (!buffer_lease_ || !intake_.memory().try_resize(buffer_lease_, capacity, purpose)) {
    memory::MemoryLease larger =
        co_await acquire_memory(intake_.memory(), capacity, nullptr, purpose);
    buffer_lease_ = std::move(larger);
  }
  if (closed()) co_return false;
  decoder_.grow(capacity);
  co_return true;
}

// One whole message: false ends the connection.
asio::awaitable<bool> ForwardSession::take(forward::Message message) {
  expected_message_bytes_ = message.storage.size();
  if (message.has_chunk && writing_ended_) {
    // It can no longer be acked, so its sender will send it elsewhere: here it would be a repeat.
    log_debug("chunk after the end of the connection", {{"peer", stream_->peer()}});
    close();
    co_return false;
  }
  memory::MemoryLease lease;
  if (message.storage_was_buffer) {
    lease = std::move(buffer_lease_);
    lease.shrink(message.storage.capacity());
  } else {
    lease = co_await acquire_additional_memory(intake_.memory(), buffer_lease_,
                                               message.storage.capacity());
    if (!lease) {
      refuse(to_string(forward::DecodeError::message_too_large));
      co_return false;
    }
  }
  if (message.compression != codec::Compression::none) {
    if (!co_await inflate_entries(message, lease)) co_return false;
  }
  co_return co_await append(std::move(message), std::move(lease));
}

asio::awaitable<bool> ForwardSession::append(forward::Message message, memory::MemoryLease lease) {
  const bool is_long = is_long_work(message.entries_size);
  auto walk = [&] { return record::walk_entries(message.entries()); };
  const auto walked = co_await net::run_aside_if(is_long, thread_, walk);
  if (!walked) {
    refuse(to_string(walked.error()));
    co_return false;
  }
  if (walked->event_count > events_max(settings_->message_bytes_max)) {
    refuse("too_many_events");
    co_return false;
  }
  memory::MemoryLease malformed_lease;
  if (walked->malformed_count > 0) {
    const size_t cost = forward::malformed_cost(*walked);
    malformed_lease = co_await acquire_additional_memory(intake_.memory(), lease, cost);
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
  auto make = [&] {
    return forward::to_batch(message, *walked,
                             {.source = intake_.source(),
                              .sender = {address, client_hostname_},
                              .received_ns = unix_nanoseconds(Clock::system().wall()),
                              .lease = std::move(lease),
                              .malformed_lease = std::move(malformed_lease)});
  };
  auto arrived = co_await net::run_aside_if(is_long, thread_, make);
  std::function<void(spool::AppendOutcome)> finished;
  const seconds patience = message.has_chunk ? kRoomTime : kRoomTimeWithoutAck;
  if (message.has_chunk) finished = expect_ack(message);
  if (arrived.batch.event_count == 0 && !arrived.malformed) {
    if (finished) finished(spool::AppendOutcome::done);
    co_return true;
  }
  // Named before it is awaited: GCC 12 copies temporaries of a co_await expression bit by bit.
  Received received{std::move(arrived.batch), arrived.fingerprint, std::move(arrived.malformed)};
  const bool is_large = received.batch.lease.large();
  const auto admission = co_await intake_.append(thread_, std::move(received), std::move(finished));
  is_taking_ = false;  // from here on its ack, which may come first, stands for it
  const bool is_kept = co_await wait_for_room(*admission, is_large, patience);
  co_return is_kept && !closed();
}

// What the entries inflate to in their place: false ends the connection.
asio::awaitable<bool> ForwardSession::inflate_entries(forward::Message& message,
                                                      memory::MemoryLease& lease) {
  const InflatePlace place{intake_.memory(), thread_};
  auto inflated = co_await inflate(place, message.compression, message.entries(), lease,
                                   settings_->message_bytes_max);
  if (!inflated) {
    refuse(to_string(inflated.error()));
    co_return false;
  }
  message.set_inflated(std::move(inflated->bytes));
  lease = std::move(inflated->lease);
  co_return true;
}

// What is to be called, on any thread, when the outcome of the message is known.
std::function<void(spool::AppendOutcome)> ForwardSession::expect_ack(forward::Message& message) {
  ++acks_expected_;
  return [weak = weak_from_this(), executor = thread_.context().get_executor(),
          chunk = std::move(message.chunk),
          is_bin = message.chunk_is_bin](spool::AppendOutcome outcome) {
    asio::post(executor, [weak, outcome, chunk, is_bin] {
      const auto self = weak.lock();
      if (self) static_cast<ForwardSession&>(*self).acknowledge(outcome, chunk, is_bin);
    });
  };
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
  // Some senders do not look at their connection before they write to it (Fluentd 1.16 to 1.18 with
  // keepalive). A chunk that comes now is not taken, and after a while the connection is closed
  // both ways: its sender sends it again, elsewhere.
  if (is_aged() && is_at_boundary()) {
    half_closing_ = true;
    if (!closed()) leave_deadline_.in(kLeaveTime);
  }
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

// Nothing of a message is here that is not acked.
bool ForwardSession::is_at_boundary() const {
  return decoder_.buffered() == 0 && !is_taking_ && acks_expected_ == 0 && !writing_;
}

void ForwardSession::end_writing_when_idle() {
  if (!half_closing_ || !is_at_boundary() || writing_ended_ || closed()) return;
  writing_ended_ = true;
  asio::co_spawn(thread_.context(), stream_->end_writing(),
                 [self = shared_from_this()](const std::exception_ptr&) {});
}

}  // namespace penstock::ingest
