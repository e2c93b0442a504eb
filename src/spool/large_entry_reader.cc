#include "spool/large_entry_reader.h"

#include <algorithm>
#include <utility>

#include "spool/log_directory.h"

namespace penstock::spool {
namespace {

constexpr milliseconds kRetryInterval{1000};
// Delivery asks for an entry when it can use it; then it takes it at once, unless something came
// between.
constexpr seconds kTakenWithin{3};

}  // namespace

void LargeEntryReader::stop() {
  if (wanted_ && wanted_->ticket != 0) state_.memory.cancel(wanted_->ticket);
  wanted_.reset();
}

bool LargeEntryReader::turn() {
  if (take_back()) return true;
  if (!wanted_ && !choose()) return false;
  {
    const std::lock_guard lock(wanted_->grant->mutex);
    if (!wanted_->grant->lease) return false;  // the grant wakes the thread
  }
  publish(read());
  wanted_.reset();
  return true;
}

// The first log, in turns, whose delivery has come to a large entry.
bool LargeEntryReader::choose() {
  uint64_t payload_bytes = 0;
  {
    const std::lock_guard lock(state_.mutex);
    for (size_t i = 0; i < state_.queues.size() && !wanted_; ++i) {
      const size_t place = (next_queue_ + i) % state_.queues.size();
      StreamQueue& queue = *state_.queues[place];
      const bool is_wanted = queue.large_wanted && !queue.large_out && !queue.ahead.empty() &&
                             !queue.ahead.front().is_loaded();
      if (!is_wanted || queue.removed) continue;
      if (queue.read_retry_at && state_.clock.steady() < *queue.read_retry_at) continue;
      const ReadyEntry& entry = queue.ahead.front();
      wanted_ = Wanted{.queue = &queue,
                       .position = entry.position,
                       .limit = entry.end,
                       .ticket = 0,
                       .grant = {}};
      payload_bytes = entry.end - entry.position.offset;
      next_queue_ = place + 1;
    }
  }
  if (!wanted_) return false;
  ask_for_memory(payload_bytes);
  return true;
}

// All of the large lease, since there is one at a time in any case. Whoever asks for more than
// ordinary has waits for that one alone, and keeps nobody from ordinary.
void LargeEntryReader::ask_for_memory(uint64_t payload_bytes) {
  const memory::MemoryBudget::Options& pots = state_.memory.options();
  const uint64_t bytes = pots.large_bytes > pots.ordinary_bytes
                             ? pots.large_bytes
                             : std::min<uint64_t>(2 * payload_bytes, state_.memory.loan_max());
  wanted_->grant = std::make_shared<Grant>();
  wanted_->ticket = state_.memory.acquire(
      bytes, [grant = wanted_->grant, wake = state_.read_wake](memory::MemoryLease lease) {
        const std::lock_guard lock(grant->mutex);
        grant->lease = std::move(lease);
        wake->raise();
      });
}

// nullopt: it is damaged.
IoResult<std::optional<record::Batch>> LargeEntryReader::read() {
  const std::string path =
      segment_path(wanted_->queue->files->directory(), wanted_->position.segment);
  auto file = state_.file_system.open(path, {});
  if (!file) return failure(file.error());
  auto reader = SegmentReader::open(std::move(*file));
  if (!reader) return failure(reader.error());
  reader->set_limit(wanted_->limit);
  reader->seek(wanted_->position.offset);
  auto entry = reader->next();
  if (!entry) return failure(entry.error());
  if (!entry->has_value() || (*entry)->offset != wanted_->position.offset) return std::nullopt;
  ByteBuffer payload((*entry)->header.payload_size);
  payload.resize((*entry)->header.payload_size);
  const auto is_whole = reader->read_payload({payload.data(), payload.size()});
  if (!is_whole) return failure(is_whole.error());
  if (!*is_whole) return std::nullopt;
  std::optional<record::Batch> batch = batch_of(std::move(**entry), std::move(payload));
  const std::lock_guard lock(wanted_->grant->mutex);
  batch->lease = std::move(wanted_->grant->lease);
  return batch;
}

void LargeEntryReader::publish(IoResult<std::optional<record::Batch>> outcome) {
  Calls calls;
  {
    const std::lock_guard lock(state_.mutex);
    StreamQueue& queue = *wanted_->queue;
    const bool is_there = !queue.ahead.empty() && queue.ahead.front().position == wanted_->position;
    if (!is_there) {
      // It was dropped meanwhile.
      if (outcome && *outcome) {
        discard_later(std::make_shared<record::Batch>(std::move(**outcome)), calls);
      }
    } else if (!outcome) {
      state_.note_error("cannot read " +
                        segment_path(queue.files->directory(), wanted_->position.segment) + ": " +
                        outcome.error().text());
      queue.read_retry_at = state_.clock.steady() + kRetryInterval;
    } else if (!*outcome) {
      pass_over(queue);
      queue.wake_delivery(calls);
    } else {
      queue.read_retry_at.reset();
      queue.ahead.front().batch = std::make_shared<const record::Batch>(std::move(**outcome));
      untaken_ = {&queue, wanted_->position, state_.clock.steady()};
      queue.wake_delivery(calls);
    }
  }
  make(calls);
}

void LargeEntryReader::pass_over(StreamQueue& queue) {
  const ReadyEntry damaged = std::move(queue.ahead.front());
  queue.ahead.pop_front();
  queue.large_wanted = false;
  queue.pass_over_damage(damaged.position.segment, 1, damaged.events_left());
}

// What was read and is not taken would keep its memory from all others.
bool LargeEntryReader::take_back() {
  if (!untaken_) return false;
  Calls calls;
  {
    const std::lock_guard lock(state_.mutex);
    StreamQueue& queue = *untaken_->queue;
    const bool is_there = !queue.ahead.empty() && queue.ahead.front().is_large &&
                          queue.ahead.front().position == untaken_->position &&
                          queue.ahead.front().is_loaded();
    if (is_there && state_.clock.steady() - untaken_->since < kTakenWithin) return false;
    if (is_there) {
      auto bare = without_storage(*queue.ahead.front().batch);
      discard_later(std::exchange(queue.ahead.front().batch, std::move(bare)), calls);
      queue.large_wanted = false;
    }
    untaken_.reset();
  }
  make(calls);
  return true;
}

}  // namespace penstock::spool
