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
  awaits_memory_ = false;
  awaited_.reset();
  wanted_.reset();
}

bool LargeEntryReader::turn() {
  if (take_back()) return true;
  if (!wanted_ && !choose()) return false;
  memory::MemoryLease lease = awaited_->take();
  awaits_memory_ = !lease;
  if (!lease) return false;  // the grant wakes the thread
  awaited_.reset();
  publish(read(std::move(lease)));
  wanted_.reset();
  return true;
}

// The first log, in turns, whose delivery has come to a large entry.
bool LargeEntryReader::choose() {
  uint64_t payload_bytes = 0;
  {
    const std::lock_guard lock(state_.mutex);
    for (size_t i = 0; i < state_.logs.all().size() && !wanted_; ++i) {
      const size_t place = (next_queue_ + i) % state_.logs.all().size();
      StreamQueue& queue = *state_.logs.all()[place];
      const ReadyEntry* const wanted = queue.wanted_large();
      if (wanted == nullptr || queue.use.removed) continue;
      if (!queue.allowance.may_read(state_.clock.steady())) continue;
      const ReadyEntry& entry = *wanted;
      wanted_ = Wanted{&queue, entry.position, entry.end};
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
                             : std::min<uint64_t>(2 * payload_bytes, state_.memory.lease_max());
  awaited_.emplace(state_.memory, bytes, state_.wake.read);
}

// nullopt: it is damaged.
IoResult<std::optional<record::Batch>> LargeEntryReader::read(memory::MemoryLease lease) {
  auto opened = open_segment_of(state_.file_system, wanted_->queue->files->directory(),
                                wanted_->position.segment);
  if (!opened) return failure(opened.error());
  if (!opened->has_value()) return std::nullopt;
  SegmentReader* const reader = &**opened;
  reader->set_limit(wanted_->limit);
  reader->seek(wanted_->position.offset);
  auto entry = reader->next();
  if (!entry) return failure(entry.error());
  if (!entry->has_value() || (*entry)->offset != wanted_->position.offset) return std::nullopt;
  auto payload = reader->read_payload();
  if (!payload) return failure(payload.error());
  if (!payload->has_value()) return std::nullopt;
  std::optional<record::Batch> batch = batch_of(std::move(**entry), std::move(**payload));
  batch->lease = std::move(lease);
  return batch;
}

void LargeEntryReader::publish(IoResult<std::optional<record::Batch>> outcome) {
  state_.mutex.change([&](Calls& calls) {
    StreamQueue& queue = *wanted_->queue;
    std::shared_ptr<const record::Batch> batch;
    if (outcome && *outcome) {
      batch = std::make_shared<const record::Batch>(std::move(**outcome));
    }
    if (!queue.awaits_large(wanted_->position)) {
      discard_later(std::move(batch), calls);  // it was dropped meanwhile, or became final
    } else if (!outcome) {
      state_.note_error("cannot read " +
                        segment_path(queue.files->directory(), wanted_->position.segment) + ": " +
                        outcome.error().text());
      queue.allowance.retry_at(state_.clock.steady() + kRetryInterval);
    } else {
      if (batch != nullptr) {
        queue.allowance.retry_at(std::nullopt);
        untaken_ = {&queue, wanted_->position, state_.clock.steady()};
      }
      queue.large_was_read(wanted_->position, std::move(batch));
      queue.wake.wake_always(calls);
    }
  });
}

// What was read and is not taken would keep its memory from all others.
bool LargeEntryReader::take_back() {
  if (!untaken_) return false;
  bool may_stay = false;
  state_.mutex.change([&](Calls& calls) {
    StreamQueue& queue = *untaken_->queue;
    const bool is_there = queue.has_untaken_large(untaken_->position);
    may_stay = is_there && state_.clock.steady() - untaken_->since < kTakenWithin;
    if (may_stay) return;
    if (is_there) discard_later(queue.take_back_large(untaken_->position), calls);
    untaken_.reset();
  });
  return !may_stay;
}

}  // namespace penstock::spool
