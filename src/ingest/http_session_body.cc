// How a session reads a body, and pays for it. See http_session.h.
#include <algorithm>
#include <utility>

#include "codec/inflate.h"
#include "ingest/acquire_memory.h"
#include "ingest/http_session.h"

namespace penstock::ingest {

namespace asio = boost::asio;

namespace {

constexpr size_t kUsualHead = 1_KiB;
constexpr size_t kFrontMax = 128_KiB;

}  // namespace

// Sees to it that a body which will be decoded where it is read has the room it needs before it.
// False: the limit has passed.
asio::awaitable<bool> HttpSession::prepare_body() {
  constexpr size_t kUsualChunked = 64_KiB;
  const HttpHead& head = reader_.head();
  const size_t size = static_cast<size_t>(head.content_length.value_or(0));
  const bool is_plain = codec::compression_named(head.content_encoding) == codec::Compression::none;
  expected_bytes_ = 0;
  if (is_plain && kind_ != HttpBodyKind::json) co_return true;
  expected_bytes_ = size + kUsualHead;
  if (!reader_.body_fits_buffer()) {
    const size_t usual = head.content_length ? size : kUsualChunked;
    // Of a large body the rest of the room is made when all of it has come.
    if (is_plain) reader_.leave_front(std::min(front_of(kind_, usual), kFrontMax));
    co_return true;
  }
  const size_t behind = reader_.bytes_behind_body();
  memory::MemoryLease lease;
  if (behind > 0) {
    const size_t next_buffer = std::max(behind, HttpRequestReader::kHeadBytesMax);
    lease = co_await acquire_memory(intake_.memory(), next_buffer, limit_.get());
    if (!lease) co_return false;
  }
  body_lease_ = std::exchange(head_lease_, std::move(lease));
  reader_.take_buffer();
  co_return true;
}

// False: the limit has passed.
asio::awaitable<bool> HttpSession::resize_body_lease(size_t bytes, memory::Purpose purpose) {
  if (body_lease_ && intake_.memory().try_resize(body_lease_, bytes, purpose)) co_return true;
  memory::MemoryLease larger =
      co_await acquire_memory(intake_.memory(), bytes, limit_.get(), purpose);
  if (!larger) co_return false;
  body_lease_ = std::move(larger);
  co_return true;
}

// Now or not at all.
bool HttpSession::try_body_lease(size_t bytes) {
  memory::MemoryBudget& memory = intake_.memory();
  if (body_lease_) return memory.try_resize(body_lease_, bytes);
  body_lease_ = memory.try_acquire(bytes);
  return static_cast<bool>(body_lease_);
}

// While there is no memory for it, a body whose length is declared first comes as far as into the
// socket, so that memory for it is not held by a sender that stalls.
asio::awaitable<bool> HttpSession::make_body_room(bool& is_continue_due) {
  size_t capacity = reader_.wanted_body_capacity();
  const bool has_room = try_body_lease(capacity);
  auto purpose = memory::Purpose::incoming;
  const auto declared = reader_.declared_body();
  if (!has_room && declared && !body_lease_.large()) {
    co_await say_continue(is_continue_due);
    const memory::MemoryLease& held = body_lease_ ? body_lease_ : head_lease_;
    if (co_await gather(declared->missing, held)) {
      purpose = memory::Purpose::whole;
      capacity = declared->capacity;
    }
  }
  if (closed()) co_return false;
  limit_->start(settings_->ack_timeout);
  if (!has_room && !co_await resize_body_lease(capacity, purpose)) co_return false;
  reader_.grow_body(capacity);
  co_return true;
}

// The whole body, or why not. A peer that leaves closes the session.
asio::awaitable<HttpSession::Checked> HttpSession::read_body() {
  bool is_continue_due = reader_.head().expects_continue;
  for (;;) {
    const auto progress = reader_.next();
    if (!progress) {
      const bool is_large = progress.error() == HttpRequestError::body_too_large;
      co_return Refusal{is_large ? 413 : 400, to_string(progress.error()),
                        is_large ? "the body is larger than max_body" : "the body is not HTTP"};
    }
    if (*progress == HttpRequestReader::Progress::message) co_return std::nullopt;
    if (*progress == HttpRequestReader::Progress::need_room) {
      const bool has_room = co_await make_body_room(is_continue_due);
      if (closed()) co_return std::nullopt;
      if (!has_room) co_return no_room("memory");
      continue;
    }
    co_await say_continue(is_continue_due);
    const auto got = co_await read_more();
    if (!got || *got == 0) {
      refuse("truncated");
      close();
      co_return std::nullopt;
    }
  }
}

}  // namespace penstock::ingest
