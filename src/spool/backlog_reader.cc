#include "spool/backlog_reader.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "spool/log_directory.h"

namespace penstock::spool {
namespace {

constexpr uint64_t kStretchBytes = 1 << 20;
constexpr milliseconds kRetryInterval{1000};
constexpr milliseconds kIdleTurn{1000};

}  // namespace

void BacklogReader::start() {
  thread_ = std::thread([this] { run(); });
}

void BacklogReader::stop() {
  {
    const std::lock_guard lock(state_.mutex);
    state_.wake.stopping = true;
    state_.wake.read->raise();
  }
  if (thread_.joinable()) thread_.join();
  large_entries_.stop();
}

void BacklogReader::run() {
  for (;;) {
    if (turn()) continue;
    {
      const std::lock_guard lock(state_.mutex);
      if (state_.wake.stopping) return;
    }
    state_.wake.read->wait_for(kIdleTurn);
  }
}

bool BacklogReader::wants_more(const StreamQueue& queue) const {
  if (!queue.allowance.may_read(state_.clock.steady())) return false;
  // Behind a large entry nothing is handed out for now.
  const bool is_behind_large =
      queue.in_flight.has_large() && !queue.allowance.one_more_is_allowed();
  const bool any_large = is_behind_large || queue.cursor.has_large_ahead();
  const ReadAllowance::Room room = queue.allowance.room(state_.shares.read_share());
  const bool has_room = room == ReadAllowance::Room::within ||
                        (room == ReadAllowance::Room::beyond && queue.cursor.next() == nullptr);
  return queue.has_backlog() && !queue.use.removed && has_room && !any_large;
}

std::optional<BacklogReader::Stretch> BacklogReader::choose() {
  const uint64_t share = state_.shares.read_share();
  for (size_t i = 0; i < state_.logs.all().size(); ++i) {
    StreamQueue& queue = *state_.logs.all()[(next_queue_ + i) % state_.logs.all().size()];
    if (!wants_more(queue)) continue;
    ReadCursor& cursor = queue.cursor;
    if (!cursor.step_over_gone(queue.segments) || !queue.has_backlog()) continue;
    next_queue_ = (next_queue_ + i + 1) % state_.logs.all().size();
    const SegmentState& segment = *queue.segments.find(cursor.position().segment);
    Stretch stretch;
    stretch.queue = &queue;
    stretch.next = cursor.position();
    stretch.limit = segment.end;
    stretch.number = cursor.next_number();
    stretch.first_number = segment.first_number;
    stretch.number_end = segment.first_number + segment.entries;
    stretch.events_left = segment.events_unread - cursor.events_in_memory(stretch.next.segment);
    const ReadyEntry* const fresh = cursor.first_fresh();
    if (fresh != nullptr && fresh->position.segment == stretch.next.segment) {
      stretch.number_end = fresh->number;
      stretch.limit = fresh->position.offset;
    }
    stretch.bytes_max = std::min(kStretchBytes, queue.allowance.room_bytes(share));
    stretch.is_beyond_share = queue.allowance.room(share) == ReadAllowance::Room::beyond;
    cursor.begin_reading();
    return stretch;
  }
  return std::nullopt;
}

bool BacklogReader::turn() {
  const bool any_large = large_entries_.turn();
  return turn_ahead() || any_large;
}

bool BacklogReader::turn_ahead() {
  std::optional<Stretch> stretch;
  {
    const std::lock_guard lock(state_.mutex);
    stretch = choose();
  }
  if (!stretch) return false;
  stretch->outcome = read(*stretch);
  state_.mutex.change([&](Calls& calls) { publish(*stretch, calls); });
  return true;
}

IoResult<bool> BacklogReader::open_segment(const Stretch& stretch) {
  const bool is_open =
      reader_ && reader_queue_ == stretch.queue && reader_segment_ == stretch.next.segment;
  if (is_open) return true;
  reader_.reset();
  auto reader =
      open_segment_of(state_.file_system, stretch.queue->files->directory(), stretch.next.segment);
  if (!reader) return failure(reader.error());
  if (!reader->has_value()) return false;
  auto index = (*reader)->read_index();
  if (!index) return failure(index.error());
  reader_.emplace(std::move(**reader));
  index_ = std::move(*index);
  reader_queue_ = stretch.queue;
  reader_segment_ = stretch.next.segment;
  return true;
}

IoResult<void> BacklogReader::read(Stretch& stretch) {
  const auto is_there = open_segment(stretch);
  if (!is_there) return failure(is_there.error());
  if (!*is_there) {
    stretch.end = Stretch::End::limit;
    return {};
  }
  reader_->set_limit(stretch.limit);
  reader_->seek(stretch.next.offset);
  return index_ ? read_by_index(stretch) : read_in_sequence(stretch);
}

// A sealed segment: the index says what there is, so that exactly what is damaged is missed.
IoResult<void> BacklogReader::read_by_index(Stretch& stretch) {
  const StreamQueue& queue = *stretch.queue;
  for (; stretch.number < stretch.number_end && !stretch.is_full(); ++stretch.number) {
    const uint64_t i = stretch.number - stretch.first_number;
    if (i >= index_->entries.size()) break;  // counted as damaged when the segment is finished
    const IndexEntry& indexed = index_->entries[static_cast<size_t>(i)];
    const Position position{stretch.next.segment, indexed.offset};
    if (queue.recovered.is_final(position)) continue;
    const auto overflowed = queue.recovered.overflowed(position);
    const uint64_t events_left = indexed.event_count - (overflowed ? overflowed->size() : 0);
    if (events_left == 0) continue;
    reader_->seek(indexed.offset);
    auto entry = reader_->next();
    if (!entry) return failure(entry.error());
    bool whole = entry->has_value() && (*entry)->offset == indexed.offset;
    if (whole) {
      const auto taken = take_entry(stretch, std::move(**entry));
      if (!taken) return failure(taken.error());
      if (*taken == Taken::no_memory) return {};
      whole = *taken == Taken::whole;
    }
    if (whole) stretch.entries.back().overflowed = overflowed;
    if (!whole) {
      ++stretch.damaged_entries;
      stretch.damaged_events += events_left;
    }
  }
  if (!stretch.is_full()) stretch.end = Stretch::End::limit;
  return {};
}

// The segment being filled, or one closed by a failure: all of its entries were written by this
// process.
IoResult<void> BacklogReader::read_in_sequence(Stretch& stretch) {
  while (stretch.number < stretch.number_end && !stretch.is_full()) {
    auto entry = reader_->next();
    if (!entry) return failure(entry.error());
    if (!entry->has_value()) {
      stretch.end = Stretch::End::limit;
      break;
    }
    const auto taken = take_entry(stretch, std::move(**entry));
    if (!taken) return failure(taken.error());
    if (*taken == Taken::no_memory) break;
    if (*taken == Taken::whole) ++stretch.number;  // else counted when all others have been read
  }
  return {};
}

IoResult<BacklogReader::Taken> BacklogReader::take_entry(Stretch& stretch, StoredEntry stored) {
  const Position position{stretch.next.segment, stored.offset};
  const auto end = static_cast<uint32_t>(stored.end());
  const ChunkPart chunk = chunk_part_of(stored.header);
  const bool large = state_.is_large(stored.header.payload_size);
  std::optional<ByteBuffer> payload;
  memory::MemoryLease lease;
  if (!large) {
    if (stretch.is_beyond_share) {
      lease = state_.memory.try_acquire(stored.header.payload_size);
      if (!lease) {
        stretch.end = Stretch::End::no_memory;
        return Taken::no_memory;
      }
    }
    auto read = reader_->read_payload();
    if (!read) return failure(read.error());
    payload = std::move(*read);
  }
  stretch.next.offset = end;
  if (!large && !payload) return Taken::damaged;
  stretch.bytes += payload ? payload->size() : 0;
  std::shared_ptr<const OverflowOrigin> origin;
  if (stored.origin) {
    origin = std::make_shared<const OverflowOrigin>(*std::exchange(stored.origin, std::nullopt));
  }
  record::Batch batch = batch_of(std::move(stored), std::move(payload).value_or(ByteBuffer()));
  batch.lease = std::move(lease);
  auto shared = large ? std::make_shared<const record::Batch>(std::move(batch))
                      : counted(stretch, std::move(batch));
  stretch.entries.push_back(
      {position, end, std::move(shared), 0, stretch.number, chunk, {}, std::move(origin), large});
  return Taken::whole;
}

std::shared_ptr<const record::Batch> BacklogReader::counted(const Stretch& stretch,
                                                            record::Batch batch) {
  const uint64_t bytes = batch.storage.capacity();
  const auto read = stretch.queue->allowance.bytes_read();
  const auto counter = stretch.is_beyond_share ? &BytesRead::beyond : &BytesRead::within;
  (*read).*counter += bytes;
  return {new record::Batch(std::move(batch)), [read, counter, bytes](const record::Batch* gone) {
            delete gone;
            (*read).*counter -= bytes;
            read->signal->raise();
          }};
}

void BacklogReader::publish(Stretch& stretch, Calls& calls) {
  StreamQueue& queue = *stretch.queue;
  if (!stretch.outcome) {
    state_.note_error("cannot read " +
                      segment_path(queue.files->directory(), stretch.next.segment) + ": " +
                      stretch.outcome.error().text());
    reader_.reset();
  }
  const bool must_wait = !stretch.outcome || stretch.end == Stretch::End::no_memory;
  queue.allowance.retry_at(must_wait ? std::optional(state_.clock.steady() + kRetryInterval)
                                     : std::nullopt);
  count_damage(stretch);
  queue.cursor.end_reading(stretch.next, stretch.number, std::move(stretch.entries));
  if (stretch.damaged_entries > 0) {
    queue.pass_over_damage(stretch.next.segment, stretch.damaged_entries, stretch.damaged_events);
  }
  if (queue.cursor.next() != nullptr) queue.wake.wake(calls);
}

// Everything that was there to be read has been. What the books say there should be besides is
// damaged: counted, so that nothing waits for it.
void BacklogReader::count_damage(Stretch& stretch) {
  const SegmentState* const segment = stretch.queue->segments.find(stretch.next.segment);
  if (segment == nullptr || segment->dropped) return;
  if (stretch.end != Stretch::End::limit || stretch.number >= stretch.number_end) return;
  stretch.damaged_entries += static_cast<uint32_t>(stretch.number_end - stretch.number);
  uint64_t events = stretch.events_left;
  for (const ReadyEntry& entry : stretch.entries) events -= entry.events_left();
  stretch.damaged_events = events;
  stretch.number = stretch.number_end;
}

}  // namespace penstock::spool
