#include <openssl/rand.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <thread>

#include "base/check.h"
#include "cli/send/senders.h"
#include "codec/msgpack_cursor.h"
#include "codec/msgpack_writer.h"
#include "protocol/forward/ack.h"
#include "protocol/forward/handshake.h"
#include "protocol/forward/message_writer.h"

namespace penstock::cli {
namespace {

namespace forward = protocol::forward;

constexpr milliseconds kRetryPause{200};
// How soon a server that does not understand us says so, or ends.
constexpr milliseconds kObjectionTime{200};
constexpr size_t kFrameBytesMax = 64_KiB;  // of HELO, PONG, ack

SteadyTime now() { return Clock::system().steady(); }
int64_t wall_ns() { return unix_nanoseconds(Clock::system().wall()); }

class ForwardSender final : public ChunkSender {
 public:
  ForwardSender(ForwardOptions options, AckLedger ledger)
      : options_(std::move(options)), ledger_(std::move(ledger)) {}

  void append(ByteBuffer& chunk, const OutgoingEvent& event) override {
    codec::MsgpackWriter writer(chunk);
    writer.array(2);
    writer.event_time(event.time);
    writer.raw(event.msgpack.view());
  }

  Result<void, Error> send(Chunk chunk) override {
    Pending pending;
    pending.id = options_.run + "-c" + std::to_string(next_chunk_++);
    pending.message = forward::write_packed_forward(
        {.tag = options_.tag,
         .entries = chunk.bytes.view(),
         .event_count = chunk.event_count(),
         .chunk = options_.ack ? std::string_view(pending.id) : std::string_view(),
         .compression = options_.compression});
    pending.chunk = std::move(chunk);
    pending.chunk.bytes.release();
    pending.sent_ns = wall_ns();
    pending.deadline = now() + kAckTime;
    if (!options_.ack) return send_unacked(pending);
    unacked_.push_back(std::move(pending));
    return settle(options_.in_flight - 1);
  }

  Result<void, Error> finish() override {
    if (const auto settled = settle(0); !settled) return settled;
    if (!connection_) return {};
    if (!options_.ack) return end_unacked();
    close_gently(*connection_);
    return {};
  }

 private:
  struct Pending {
    Chunk chunk;  // without its bytes
    std::string id;
    ByteBuffer message;
    int64_t sent_ns = 0;
    SteadyTime deadline;
    bool written = false;  // on the present connection
  };

  Result<void, Error> send_unacked(const Pending& pending) {
    if (!connection_) {
      if (const auto connected = connect(now() + kConnectTime); !connected) return connected;
    }
    const auto written = connection_->write(pending.message.view(), pending.deadline);
    return written || options_.target.tls ? written : fatal(closed_early());
  }

  // Without acks nothing tells whether the server understood; that it says something, or ends
  // before we do, tells that it did not.
  Result<void, Error> end_unacked() {
    const auto early = read_more(now() + kObjectionTime);
    if (early) return fatal(what_it_is());
    if (connection_->end() != Connection::End::none) return fatal(closed_early());
    connection_->end_writing();
    const auto late = read_more(now() + kConnectTime);
    if (late) return fatal(what_it_is());
    if (connection_->end() == Connection::End::broken) return fatal(closed_early());
    return {};
  }

  // Of a server that answers what no server that understood us would.
  [[nodiscard]] std::string what_it_is() const {
    const uint8_t first = received_.view()[0];
    if (!options_.target.tls && (first == 0x15 || first == 0x16)) {
      return "the server expects TLS; use --tls or --ca";
    }
    const bool is_helo = as_text(received_.view()).find("HELO") != std::string_view::npos;
    if (options_.shared_key.empty() && is_helo) {
      return "the server asks for a shared key; use --shared-key-file";
    }
    return "the server answers with something that is no ack";
  }
  [[nodiscard]] std::string closed_early() const {
    return std::string("the server closed the connection ") +
           (options_.ack ? "before the first ack" : "before everything was read") +
           (options_.target.tls ? "; see its log" : "; it may expect TLS: try --tls or --ca");
  }

  // Writes what is not written and waits until at most `unacked_max` chunks are without ack.
  Result<void, Error> settle(size_t unacked_max) {
    for (;;) {
      const auto turned = turn(unacked_max);
      if (turned) return {};
      // A server that restarts does not close two connections in a row before it acked anything.
      if (connection_ && !acked_any_ && may_retry_ && ++closed_in_row_ >= 2) {
        return fatal(closed_early());
      }
      if (!may_retry_ || now() + kRetryPause > unacked_.front().deadline) {
        return run_error(turned.error().message + "; " + std::to_string(unacked_.size()) +
                         (unacked_.size() == 1 ? " chunk is not acked" : " chunks are not acked"));
      }
      connection_.reset();
      for (Pending& pending : unacked_) pending.written = false;
      std::this_thread::sleep_for(kRetryPause);
    }
  }

  Result<void, Error> turn(size_t unacked_max) {
    if (!connection_) {
      if (unacked_.empty()) return {};
      if (const auto connected = connect(now() + kConnectTime); !connected) return connected;
    }
    for (Pending& pending : unacked_) {
      if (pending.written) continue;
      const auto written = connection_->write(pending.message.view(), pending.deadline);
      if (!written) return written;
      pending.written = true;
    }
    while (unacked_.size() > unacked_max) {
      if (const auto taken = take_acks(); !taken) return taken;
    }
    return {};
  }

  Result<void, Error> take_acks() {
    const auto got = read_more(unacked_.front().deadline);
    if (!got) return got;
    for (;;) {
      const auto ack = forward::read_ack(received_.view());
      if (!ack) return fatal(what_it_is());
      if (!ack->has_value()) return {};
      acked_any_ = true;
      received_.consume((*ack)->size);
      const auto found = std::find_if(unacked_.begin(), unacked_.end(), [&](const Pending& each) {
        return each.id == (*ack)->chunk;
      });
      if (found == unacked_.end()) continue;  // of a copy sent before the connection was lost
      const auto entered = ledger_.enter(found->chunk, options_.tag, found->sent_ns, wall_ns());
      if (!entered) {
        may_retry_ = false;
        return entered;
      }
      unacked_.erase(found);
    }
  }

  Result<void, Error> read_more(SteadyTime deadline) {
    if (received_.size() >= kFrameBytesMax) return fatal("the server sends without end");
    received_.reserve(kFrameBytesMax);
    const auto got = connection_->read_some(received_.free_space(), deadline);
    if (!got) return failure(got.error());
    if (*got == 0) return run_error(options_.target.name() + ": the server closed the connection");
    received_.commit(*got);
    return {};
  }

  Result<void, Error> fatal(std::string_view message) {
    may_retry_ = false;
    return run_error(options_.target.name() + ": " + std::string(message));
  }

  Result<void, Error> connect(SteadyTime deadline) {
    received_.clear();
    auto opened = Connection::open(options_.target, deadline);
    if (!opened) return failure(opened.error());
    connection_.emplace(std::move(*opened));
    if (!options_.shared_key.empty()) {
      if (const auto shaken = shake_hands(deadline); !shaken) {
        connection_.reset();
        return shaken;
      }
    }
    may_retry_ = options_.ack;  // it worked once: what fails from now on may pass
    return {};
  }

  Result<void, Error> shake_hands(SteadyTime deadline) {
    std::array<char, 256> hostname{};
    ::gethostname(hostname.data(), hostname.size() - 1);
    std::array<uint8_t, forward::kNonceSize> salt{};
    CHECK(RAND_bytes(salt.data(), salt.size()) == 1);
    forward::ClientIdentity self;
    self.hostname = "penstock-send-" + std::string(hostname.data());
    self.salt = as_text(salt);
    self.shared_key = options_.shared_key;
    self.user = {options_.user, options_.password};

    const auto helo_frame = read_frame(deadline);
    if (!helo_frame) return failure(helo_frame.error());
    const auto helo = forward::read_helo(helo_frame->view());
    if (!helo) return fatal(to_string(helo.error()));
    const auto written = connection_->write(make_ping(self, *helo).view(), deadline);
    if (!written) return written;
    const auto pong_frame = read_frame(deadline);
    if (!pong_frame) return failure(pong_frame.error());
    std::string reason;
    const auto pong = forward::check_pong(pong_frame->view(), self, *helo, &reason);
    if (!pong) {
      return fatal(std::string(to_string(pong.error())) + (reason.empty() ? "" : ": " + reason) +
                   "; check --shared-key-file and --user");
    }
    return {};
  }

  Result<ByteBuffer, Error> read_frame(SteadyTime deadline) {
    for (;;) {
      const auto frame = codec::MsgpackCursor(received_.view()).skip();
      if (frame) {
        ByteBuffer copy = ByteBuffer::copy_of(*frame);
        received_.consume(frame->size());
        return copy;
      }
      if (frame.error() != codec::MsgpackError::truncated) {
        return failure(fatal("the server does not speak Forward").error());
      }
      if (const auto got = read_more(deadline); !got) return failure(got.error());
    }
  }

  const ForwardOptions options_;
  AckLedger ledger_;
  std::optional<Connection> connection_;
  ByteBuffer received_;
  std::deque<Pending> unacked_;
  uint64_t next_chunk_ = 0;
  bool may_retry_ = false;
  bool acked_any_ = false;
  uint32_t closed_in_row_ = 0;  // connections, before the first ack
};

}  // namespace

void close_gently(Connection& connection) {
  connection.end_writing();
  std::array<uint8_t, 4096> ignored{};
  const SteadyTime deadline = now() + kConnectTime;
  for (;;) {
    const auto got = connection.read_some(ignored, deadline);
    if (!got || *got == 0) return;
  }
}

std::unique_ptr<ChunkSender> make_forward_sender(ForwardOptions options, AckLedger ledger) {
  return std::make_unique<ForwardSender>(std::move(options), std::move(ledger));
}

}  // namespace penstock::cli
