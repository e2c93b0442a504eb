#include "spool/dead_letter_replay.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "spool/admission.h"
#include "spool/log_directory.h"

namespace penstock::spool {
namespace {

constexpr milliseconds kLookInterval{1000};
// Handed back and not delivered yet.
constexpr size_t kLettersOutMax = 64;
constexpr uint64_t kBytesOutMax = 4 << 20;
// How long a letter on the large lease may wait for room while others wait for memory, and what
// they have before it comes again.
constexpr seconds kRoomWithin{5};
constexpr seconds kPause{5};

Hash128 fingerprint_of(Position position, const StoredEntry& entry) {
  const uint64_t parts[] = {position.segment, position.offset, entry.header.id.low,
                            entry.header.id.high, static_cast<uint64_t>(entry.header.received_ns)};
  return hash128({reinterpret_cast<const uint8_t*>(parts), sizeof parts}, 0x7265706c6179);
}

}  // namespace

void DeadLetterReplay::set_route(Route route) {
  {
    const std::lock_guard lock(route_mutex_);
    route_ = std::move(route);
  }
  wake_->signal.raise();
}

void DeadLetterReplay::start() {
  thread_ = std::thread([this] { run(); });
}

void DeadLetterReplay::stop() {
  {
    const std::lock_guard lock(wake_->mutex);
    wake_->stopping = true;
  }
  wake_->signal.raise();
  if (thread_.joinable()) thread_.join();
  awaited_.reset();
}

void DeadLetterReplay::run() {
  for (;;) {
    const bool moved = turn();
    {
      const std::lock_guard lock(wake_->mutex);
      if (wake_->stopping) return;
    }
    if (!moved) wake_->signal.wait_for(kLookInterval);
  }
}

bool DeadLetterReplay::turn() {
  size_t letters_out = 0;
  {
    const std::lock_guard lock(route_mutex_);
    if (!route_) return false;
  }
  {
    const std::lock_guard lock(wake_->mutex);
    if (wake_->stopping) return false;
    letters_out = wake_->letters_out;
    const bool is_full = letters_out >= kLettersOutMax || wake_->bytes_out >= kBytesOutMax;
    if (is_full && !large_) return false;
  }
  if (large_) return look_after_large();
  if (paused_since_ && state_.clock.steady() - *paused_since_ < kPause) return false;
  if (!current_) return take_up_request();
  if (!current_->segments.empty()) return next_letter();
  if (letters_out > 0) return false;
  return finish();
}

bool DeadLetterReplay::take_up_request() {
  const SteadyTime now = state_.clock.steady();
  if (looked_at_ && now - *looked_at_ < kLookInterval) return false;
  looked_at_ = now;
  auto names = state_.file_system.list(directory_);
  if (!names) return false;  // looked at again by and by
  for (const std::string& name : *names) {
    if (!is_replay_request(name)) continue;
    Current current;
    current.path = directory_ + "/" + name;
    auto request = read_replay_request(state_.file_system, current.path);
    if (!request || !request->has_value()) {
      log_limited(LogLevel::error, "spool/replay", "not a request to replay dead letters",
                  {{"file", current.path}});
      continue;
    }
    current.request = std::move(**request);
    {
      const std::lock_guard lock(state_.mutex);
      for (const auto& [number, segment] : state_.logs.dead_letters()->segments.all()) {
        if (!segment.gone) current.segments.push_back({number, segment.end});
      }
    }
    {
      const std::lock_guard lock(wake_->mutex);
      wake_->delivered = 0;
    }
    log_info("dead letters are being replayed", {{"request", name}});
    current_ = std::move(current);
    reader_.reset();
    return true;
  }
  return false;
}

bool DeadLetterReplay::skip_segment() {
  if (reader_) current_->damaged += reader_->bad_ranges().size();
  reader_.reset();
  current_->segments.erase(current_->segments.begin());
  return true;
}

// Empty: it will be granted later.
memory::MemoryLease DeadLetterReplay::pay_for(const StoredEntry& letter) {
  const size_t bytes =
      std::min(std::max<size_t>(letter.header.payload_size, 1), state_.memory.lease_max());
  if (!awaited_ || awaited_->bytes() != bytes) {
    awaited_.emplace(state_.memory, bytes, std::shared_ptr<Signal>(wake_, &wake_->signal));
  }
  memory::MemoryLease lease = awaited_->take();
  if (lease) awaited_.reset();
  return lease;
}

bool DeadLetterReplay::next_letter() {
  const Segment segment = current_->segments.front();
  if (!reader_) {
    auto file = state_.file_system.open(segment_path(directory_, segment.number), {});
    if (!file) return skip_segment();  // all of its letters are gone
    auto reader = SegmentReader::open(std::move(*file));
    if (!reader) return skip_segment();
    reader_.emplace(std::move(*reader));
    reader_->set_limit(segment.end);
  }
  auto entry = reader_->next();
  if (!entry || !entry->has_value()) return skip_segment();
  StoredEntry& letter = **entry;
  if (!current_->request.matches(letter.stream, letter.reason)) return true;
  const Position position{segment.number, letter.offset};
  {
    const std::lock_guard lock(state_.mutex);
    if (state_.logs.dead_letters()->letters.gone.contains(position)) return true;
  }
  memory::MemoryLease lease = pay_for(letter);
  if (!lease) {
    reader_->seek(letter.offset);
    return false;
  }
  auto payload = reader_->read_payload();
  if (payload && payload->has_value()) {
    hand_back(std::move(letter), std::move(**payload), std::move(lease));
  } else {
    ++current_->damaged;
  }
  return true;
}

void DeadLetterReplay::hand_back(StoredEntry entry, ByteBuffer payload, memory::MemoryLease lease) {
  const Position position{current_->segments.front().number, entry.offset};
  const Hash128 fingerprint = fingerprint_of(position, entry);
  const uint64_t bytes = payload.capacity();
  record::Batch batch = batch_of(std::move(entry), std::move(payload));
  batch.source = "dead_letter";
  batch.received_ns = state_.wall_ns();
  const bool is_large = lease.large();
  batch.lease = std::move(lease);
  Append append;
  {
    const std::lock_guard lock(route_mutex_);
    if (!route_) {  // taken away in this moment: the request is begun again when there is one
      current_.reset();
      return;
    }
    append = route_(std::move(batch));
  }
  if (append.parts.empty() && append.dropped.empty()) {
    ++current_->left_alone;
    return;
  }
  ++current_->handed_back;
  append.source = "dead_letter";
  append.fingerprint = fingerprint;
  const auto is_admitted = std::make_shared<std::atomic<bool>>(false);
  append.admitted = [wake = wake_, is_admitted] {
    *is_admitted = true;
    wake->signal.raise();
  };
  append.done = [&state = state_, wake = wake_, position, bytes](AppendOutcome outcome) {
    // Closed: the spool is going, and the letter stays where it is.
    if (outcome == AppendOutcome::done) state.logs.dead_letters()->release_letter(position);
    {
      const std::lock_guard lock(wake->mutex);
      --wake->letters_out;
      wake->bytes_out -= bytes;
      if (outcome == AppendOutcome::done) ++wake->delivered;
    }
    wake->signal.raise();
  };
  {
    const std::lock_guard lock(wake_->mutex);
    ++wake_->letters_out;
    wake_->bytes_out += bytes;
  }
  AppendHandle handle(submit(state_, std::move(append), AckMode::delivered));
  if (is_large) {
    large_ = Large{std::move(handle), is_admitted, position.offset, state_.clock.steady()};
  }
}

bool DeadLetterReplay::look_after_large() {
  if (*large_->is_admitted) {
    large_.reset();
    return true;
  }
  const SteadyTime now = state_.clock.steady();
  if (now - large_->since < kRoomWithin || state_.memory.waiting() == 0) return false;
  if (large_->handle.cancel()) {
    reader_->seek(large_->offset);
    --current_->handed_back;
    paused_since_ = now;
  }
  large_.reset();
  return false;
}

bool DeadLetterReplay::finish() {
  uint64_t delivered = 0;
  {
    const std::lock_guard lock(wake_->mutex);
    delivered = wake_->delivered;
  }
  {
    // The letters must be known to be gone before the request is.
    const std::lock_guard lock(state_.mutex);
    if (!state_.logs.dead_letters()->letters.leaving.empty() ||
        state_.logs.dead_letters()->writes.in_round > 0) {
      return false;  // looked at again in a second
    }
  }
  if (delivered < current_->handed_back) return false;  // the spool is closing
  auto done = state_.file_system.remove(current_->path);
  if (done) done = state_.file_system.sync_directory(directory_);
  if (!done) {
    log_limited(LogLevel::error, "spool/replay", "cannot remove a finished request",
                {{"file", current_->path}, {"error", done.error().text()}});
  }
  log_info("dead letters were replayed", {{"delivered", delivered},
                                          {"no_route", current_->left_alone},
                                          {"damaged", current_->damaged}});
  if (current_->damaged > 0) {
    const std::lock_guard lock(state_.mutex);
    state_.note_error("at least " + std::to_string(current_->damaged) + " dead letters in " +
                      directory_ + " are damaged and cannot be replayed");
  }
  current_.reset();
  return true;
}

}  // namespace penstock::spool
