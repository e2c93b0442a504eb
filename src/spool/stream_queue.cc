#include "spool/stream_queue.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "spool/admission.h"
#include "spool/log_directory.h"
#include "spool/spool_state.h"

namespace penstock::spool {

EntryToStore QueuedEntry::as_stored() const {
  EntryToStore entry;
  entry.batch = batch.get();
  entry.chunk_key = chunk.key;
  entry.fingerprint = chunk.fingerprint;
  entry.replayed = chunk.replayed;
  entry.part_key = chunk.part_key;
  entry.part_count = chunk.part_count;
  entry.stream = stream;
  entry.reason = reason;
  entry.detail = detail;
  entry.origin = origin.get();
  return entry;
}

ChunkPart chunk_part_of(const EntryHeader& header) {
  return {header.key, (header.flags & kFingerprint) != 0, (header.flags & kReplayed) != 0,
          header.part_key, header.part_count};
}

std::shared_ptr<const record::Batch> without_storage(const record::Batch& batch) {
  auto bare = std::make_shared<record::Batch>();
  bare->source = batch.source;
  bare->tag = batch.tag;
  bare->encoding = batch.encoding;
  bare->event_count = batch.event_count;
  bare->received_ns = batch.received_ns;
  bare->id = batch.id;
  bare->first_index = batch.first_index;
  return bare;
}

StreamQueue::StreamQueue(SpoolState& state, const StreamOptions& stream_options)
    : state_(state),
      name_(stream_options.stream),
      options(stream_options),
      bytes_read(std::make_shared<BytesRead>(state.read_wake)),
      settings_(&options.settings) {}

std::optional<Entry> StreamQueue::read() {
  const std::lock_guard lock(state_.mutex);
  const bool from_disk = !ahead.empty();
  if (!from_disk && (fresh.empty() || fresh.front().number != next_number)) {
    reader_waits_ = true;
    if (has_backlog()) state_.read_wake->raise();
    return std::nullopt;
  }
  if (large_out || (from_disk && !ahead.front().is_loaded())) {
    reader_waits_ = true;
    if (!large_out && !std::exchange(large_wanted, true)) state_.read_wake->raise();
    return std::nullopt;
  }
  if (!may_hand_out((from_disk ? ahead : fresh).front().position.segment)) {
    reader_waits_ = true;
    return std::nullopt;
  }
  std::deque<ReadyEntry>& from = from_disk ? ahead : fresh;
  ReadyEntry ready = std::move(from.front());
  from.pop_front();
  if (!from_disk) {
    fresh_bytes -= ready.bytes;
    kept_in_flight += ready.bytes;
    next_number = ready.number + 1;
    cursor = {ready.position.segment, ready.end};
  }
  const auto segment = segments.find(ready.position.segment);
  if (segment != segments.end()) {
    segment->second.events_unread -= ready.events_left();
  }
  EntryInFlight& held = in_flight[ready.position];
  held.bytes = ready.bytes;
  held.events_final = ready.events_final;
  held.received_ns = ready.batch->received_ns;
  held.chunk = ready.chunk;
  held.kept = !from_disk;
  Entry entry;
  entry.is_large = ready.is_large;
  if (ready.is_large) {
    large_wanted = false;
    large_out = ready;
    large_out->batch = without_storage(*ready.batch);
  }
  entry.position = ready.position;
  entry.batch = std::move(ready.batch);
  entry.overflowed.resize(ready.events_final);
  std::iota(entry.overflowed.begin(), entry.overflowed.end(), 0u);
  if (ready.overflowed) {  // none of them is one of the leading events
    entry.overflowed.insert(entry.overflowed.end(), ready.overflowed->begin(),
                            ready.overflowed->end());
  }
  if (ready.origin) {
    entry.origin = ready.origin->position;
    entry.origin_events = ready.origin->events;
    entry.buckets = ready.origin->buckets;
  }
  if (from_disk && has_backlog()) state_.read_wake->raise();
  return entry;
}

void StreamQueue::unread(Position position) {
  const std::lock_guard lock(state_.mutex);
  CHECK(large_out && large_out->position == position);
  in_flight.erase(position);
  const auto segment = segments.find(position.segment);
  if (segment != segments.end() && !segment->second.dropped) {
    segment->second.events_unread += large_out->events_left();
  }
  ahead.push_front(std::move(*large_out));
  large_out.reset();
  reader_waits_ = true;
}

// With drop_oldest most of a share stays where it can be dropped: what delivery has cannot.
bool StreamQueue::may_hand_out(uint64_t segment) const {
  constexpr ptrdiff_t kSegmentsMax = 2;
  if (state_.options.when_full != WhenFull::drop_oldest || files == nullptr) return true;
  if (in_flight.empty()) return true;
  const auto first = segments.lower_bound(in_flight.begin()->first.segment);
  return std::distance(first, segments.upper_bound(segment)) <= kSegmentsMax;
}

bool StreamQueue::next_is_large() const {
  const std::lock_guard lock(state_.mutex);
  return !ahead.empty() && ahead.front().is_large;
}

bool StreamQueue::memory_is_awaited() const { return state_.memory.waiting() > 0; }

void StreamQueue::append_overflow(size_t slot, OverflowEntry entry,
                                  std::function<void(bool)> done) {
  CHECK(!entry.events.empty() && entry.events.size() == entry.batch.event_count);
  Calls calls;
  {
    const std::lock_guard lock(state_.mutex);
    StreamQueue* const overflow_queue = overflow_queues.at(slot);
    if (overflow_queue == nullptr || state_.closed) {
      calls.emplace_back([done = std::move(done)] { done(false); });
    } else {
      QueuedEntry queued;
      queued.batch = std::make_shared<const record::Batch>(std::move(entry.batch));
      queued.origin = std::make_shared<const OverflowOrigin>(
          OverflowOrigin{entry.origin, std::move(entry.events), entry.buckets});
      queued.overflowed = std::move(done);
      const auto origin = in_flight.find(entry.origin);
      CHECK(origin != in_flight.end());
      queued.chunk = origin->second.chunk;
      state_.chunks.add_entry(queued.chunk.key);
      queued.bytes = stored_size(queued.as_stored());
      overflow_queue->waiting.push_back(std::move(queued));
      admit_overflow(state_, calls);
    }
  }
  make(calls);
}

StreamLog::RecoveredOverflow StreamQueue::recovered_overflow(size_t slot) const {
  const std::lock_guard lock(state_.mutex);
  const StreamQueue* const overflow_queue = overflow_queues.at(slot);
  if (overflow_queue == nullptr) return {};
  return {overflow_queue->recovered_buckets, overflow_queue->recovered_end};
}

bool StreamQueue::may_retire(uint64_t number, const SegmentState& segment) const {
  if (!segment.sealed || segment.gone || segment.entries_left > 0) return false;
  // Room that is waited for counts for more: a crash then repeats what came from such an entry.
  if (!is_overflow() || segment.dropped || overflow_waits()) return true;
  return number == segments.begin()->first && segment.origin_max < main_queue->pending_from;
}

// What is synced is neither in memory up to the next entry nor read.
bool StreamQueue::has_backlog() const {
  return files != nullptr && next_number < (fresh.empty() ? synced_count : fresh.front().number);
}

uint64_t StreamQueue::read_share() const { return state_.read_share(); }

void StreamQueue::take_over(const StreamOptions& renewed) {
  options.bytes_max = renewed.bytes_max;
  if (renewed.settings == *settings_) return;
  settings_ = &later_settings_.emplace_back(renewed.settings);
}

void StreamQueue::on_readable(std::function<void()> wake) {
  {
    const std::lock_guard lock(wake_mutex_);
    wake_ = std::move(wake);
  }
  Calls calls;
  {
    const std::lock_guard lock(state_.mutex);
    if (!ahead.empty() || !fresh.empty()) wake_reader(calls);
  }
  make(calls);
}

void StreamQueue::wake_reader(Calls& calls) {
  if (!reader_waits_) return;
  reader_waits_ = false;
  calls.emplace_back([this] {
    const std::lock_guard lock(wake_mutex_);
    if (wake_) wake_();
  });
}

void StreamQueue::wake_delivery(Calls& calls) {
  reader_waits_ = true;
  wake_reader(calls);
}

bool StreamQueue::wants_room() const {
  const std::lock_guard lock(state_.mutex);
  if (!ahead.empty() && !may_hand_out(ahead.front().position.segment)) return true;
  if (!fresh.empty() && !may_hand_out(fresh.front().position.segment)) return true;
  return has_backlog() && !has_room_ahead();
}

void StreamQueue::release(Position position) {
  Calls calls;
  {
    const std::lock_guard lock(state_.mutex);
    const auto entry = in_flight.find(position);
    CHECK(entry != in_flight.end());
    if (files == nullptr) held_bytes -= entry->second.bytes;
    if (entry->second.kept) kept_in_flight -= entry->second.bytes;
    const Hash128 key = entry->second.chunk.key;
    in_flight.erase(entry);
    const bool was_large = large_out && large_out->position == position;
    if (was_large) large_out.reset();
    if (was_large || state_.options.when_full == WhenFull::drop_oldest) wake_reader(calls);
    settle_segment(position, 1);
    state_.chunks.released(key, state_.wall_ns(), calls);
    if (!state_.waiting.empty()) admit_waiting(state_, calls);
  }
  make(calls);
}

void StreamQueue::release_letter(Position position) {
  const std::lock_guard lock(state_.mutex);
  leaving.push_back(position);
  state_.commit_wake.raise();
}

void StreamQueue::settle_segment(Position position, uint32_t entries) {
  const auto segment = segments.find(position.segment);
  if (segment == segments.end() || segment->second.dropped) return;
  CHECK(segment->second.entries_left >= entries);
  segment->second.entries_left -= entries;
  const bool finished = segment->second.sealed && segment->second.entries_left == 0;
  if (!checkpoint_due || finished) state_.commit_wake.raise();
  checkpoint_due = true;
}

void StreamQueue::pass_over_damage(uint64_t segment_number, uint32_t entries, uint64_t events) {
  const auto segment = segments.find(segment_number);
  if (segment == segments.end() || segment->second.dropped) return;
  segment->second.events_unread -= events;
  state_.ledger.drop(stream(), "damaged", events);
  log_error("damaged entries in the spool were passed over",
            {{"file", segment_path(files->directory(), segment_number)},
             {"entries", entries},
             {"events", events}});
  settle_segment({segment_number, 0}, entries);
}

bool StreamQueue::holds_nothing() const {
  return unsynced.empty() && waiting.empty() && in_round == 0 && ahead.empty() && fresh.empty() &&
         in_flight.empty() &&
         std::all_of(segments.begin(), segments.end(),
                     [](const auto& segment) { return segment.second.entries_left == 0; });
}

bool StreamQueue::empty() const {
  const std::lock_guard lock(state_.mutex);
  return holds_nothing() && !append_waits_for(state_, *this) && overflow_holds_nothing();
}

bool StreamQueue::overflow_holds_nothing() const {
  return std::all_of(overflow_queues.begin(), overflow_queues.end(), [](const auto* overflow) {
    return overflow == nullptr || overflow->holds_nothing();
  });
}

bool StreamQueue::overflow_waits() const {
  const auto& overflows = is_overflow() ? main_queue->overflow_queues : overflow_queues;
  return std::any_of(overflows.begin(), overflows.end(), [](const auto* overflow) {
    return overflow != nullptr && !overflow->waiting.empty();
  });
}

int64_t StreamQueue::oldest_received_ns() const {
  if (!in_flight.empty()) return in_flight.begin()->second.received_ns;
  if (!ahead.empty()) return ahead.front().batch->received_ns;
  if (!fresh.empty() && fresh.front().number == next_number) {
    return fresh.front().batch->received_ns;
  }
  if (has_backlog()) {
    for (const auto& [number, segment] : segments) {
      if (segment.events_unread > 0) return segment.first_received_ns;
    }
  }
  return unsynced.empty() ? 0 : unsynced.front().batch->received_ns;
}

// A log on disk grows by whole segments. What is queued is laid out here as the commit thread will
// at worst do it: every entry in a run of its own.
void StreamQueue::plan(uint64_t bytes) {
  if (files == nullptr) {
    held_bytes += bytes;
    return;
  }
  const uint64_t size = round_up(bytes, kBlockBytes);
  if (size <= planned_room) {
    planned_room -= size;
    return;
  }
  planned_files += new_segment_bytes(bytes);
  const uint64_t segment = std::max(segment_bytes, segment_bytes_for(bytes));
  if (segment == segment_bytes) planned_spare = false;
  planned_room = segment - segment_bytes_for(bytes);
}

// What a segment for this entry adds to the files; the spare is counted already.
uint64_t StreamQueue::new_segment_bytes(uint64_t entry_bytes) const {
  const uint64_t segment = std::max(segment_bytes, segment_bytes_for(entry_bytes));
  const bool is_first = held_bytes == 0 && planned_files == 0;
  return (segment == segment_bytes && planned_spare ? 0 : segment) +
         (is_first ? CheckpointFile::kFileBytes : 0);
}

void StreamQueue::plan_afresh() {
  planned_files = 0;
  planned_spare = spare_bytes == segment_bytes;
  planned_room = files->room();
  for (const QueuedEntry& entry : unsynced) plan(entry.bytes);
}

uint64_t StreamQueue::planned_bytes(uint64_t more) const {
  if (files == nullptr) return held_bytes + more;
  const bool fits = more == 0 || round_up(more, kBlockBytes) <= planned_room;
  return held_bytes + planned_files + (fits ? 0 : new_segment_bytes(more));
}

}  // namespace penstock::spool
