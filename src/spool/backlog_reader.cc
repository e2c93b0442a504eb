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
    state_.stopping = true;
    state_.read_wake->raise();
  }
  if (thread_.joinable()) thread_.join();
  large_entries_.stop();
}

void BacklogReader::run() {
  for (;;) {
    if (turn()) continue;
    {
      const std::lock_guard lock(state_.mutex);
      if (state_.stopping) return;
    }
    state_.read_wake->wait_for(kIdleTurn);
  }
}

bool BacklogReader::wants_more(const StreamQueue& queue) const {
  if (queue.read_retry_at && state_.clock.steady() < *queue.read_retry_at) return false;
  // Behind a large entry nothing is handed out for now.
  const bool any_large =
      queue.large_out ||
      (!queue.ahead.empty() && (queue.ahead.front().is_large || queue.ahead.back().is_large));
  return queue.has_backlog() && !queue.removed && queue.has_room_ahead() && !any_large;
}

std::optional<BacklogReader::Stretch> BacklogReader::choose() {
  for (size_t i = 0; i < state_.queues.size(); ++i) {
    StreamQueue& queue = *state_.queues[(next_queue_ + i) % state_.queues.size()];
    if (!wants_more(queue)) continue;
    step_over_gone_segments(queue);
    if (!queue.has_backlog()) continue;
    next_queue_ = (next_queue_ + i + 1) % state_.queues.size();
    const auto found = queue.segments.find(queue.cursor.segment);
    if (found == queue.segments.end()) continue;
    const SegmentState& segment = found->second;
    Stretch stretch;
    stretch.queue = &queue;
    stretch.segment = queue.cursor.segment;
    stretch.offset = queue.cursor.offset;
    stretch.limit = segment.end;
    stretch.number = queue.next_number;
    stretch.first_number = segment.first_number;
    stretch.number_end = segment.first_number + segment.entries;
    stretch.events_left = segment.events_unread;
    const auto in_memory = [&](const std::deque<ReadyEntry>& entries) {
      for (const ReadyEntry& entry : entries) {
        if (entry.position.segment != stretch.segment) continue;
        stretch.events_left -= entry.events_left();
      }
    };
    in_memory(queue.ahead);
    in_memory(queue.fresh);
    if (!queue.fresh.empty() && queue.fresh.front().position.segment == stretch.segment) {
      stretch.number_end = queue.fresh.front().number;
      stretch.limit = queue.fresh.front().position.offset;
    }
    const uint64_t held = queue.bytes_read->bytes.load();
    const uint64_t share = queue.read_share();
    stretch.bytes_max = std::min(kStretchBytes, share - std::min(share, held));
    queue.reading = true;
    return stretch;
  }
  return std::nullopt;
}

// The cursor stands behind the last entry of a segment, or in one that is gone: on to the next.
void BacklogReader::step_over_gone_segments(StreamQueue& queue) {
  for (;;) {
    auto segment = queue.segments.find(queue.cursor.segment);
    if (segment != queue.segments.end()) {
      const bool finished =
          segment->second.sealed &&
          queue.next_number >= segment->second.first_number + segment->second.entries;
      if (!segment->second.gone && !segment->second.dropped && !finished) return;
    }
    segment = queue.segments.upper_bound(queue.cursor.segment);
    if (segment == queue.segments.end()) {  // what was to be read has been dropped
      queue.next_number = queue.fresh.empty() ? queue.synced_count : queue.fresh.front().number;
      return;
    }
    queue.cursor = {segment->first, static_cast<uint32_t>(kBlockBytes)};
    if (segment->second.entries > 0) {
      queue.next_number = std::max(queue.next_number, segment->second.first_number);
    }
  }
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
  Calls calls;
  {
    const std::lock_guard lock(state_.mutex);
    publish(*stretch, calls);
  }
  make(calls);
  return true;
}

IoResult<void> BacklogReader::open_segment(const Stretch& stretch) {
  if (reader_ && reader_queue_ == stretch.queue && reader_segment_ == stretch.segment) return {};
  reader_.reset();
  auto file =
      state_.file_system.open(segment_path(stretch.queue->files->directory(), stretch.segment), {});
  if (!file) return failure(file.error());
  auto reader = SegmentReader::open(std::move(*file));
  if (!reader) return failure(reader.error());
  auto index = reader->read_index();
  if (!index) return failure(index.error());
  reader_.emplace(std::move(*reader));
  index_ = std::move(*index);
  reader_queue_ = stretch.queue;
  reader_segment_ = stretch.segment;
  return {};
}

IoResult<void> BacklogReader::read(Stretch& stretch) {
  if (auto done = open_segment(stretch); !done) return done;
  reader_->set_limit(stretch.limit);
  reader_->seek(stretch.offset);
  return index_ ? read_by_index(stretch) : read_in_sequence(stretch);
}

// A sealed segment: the index says what there is, so that exactly what is damaged is missed.
IoResult<void> BacklogReader::read_by_index(Stretch& stretch) {
  const StreamQueue& queue = *stretch.queue;
  for (; stretch.number < stretch.number_end && !stretch.is_full(); ++stretch.number) {
    const uint64_t i = stretch.number - stretch.first_number;
    if (i >= index_->entries.size()) break;  // counted as damaged when the segment is finished
    const IndexEntry& indexed = index_->entries[static_cast<size_t>(i)];
    const Position position{stretch.segment, indexed.offset};
    uint32_t events_final = 0;
    if (position < queue.recovered_read) {  // both written at start-up only: no lock needed
      const auto pending = queue.recovered_pending.find(position);
      if (pending == queue.recovered_pending.end()) continue;  // final
      events_final = std::min(pending->second, indexed.event_count);
    }
    const auto overflowed = queue.recovered_overflowed.find(position);  // this one as well
    const bool any_overflowed = overflowed != queue.recovered_overflowed.end();
    const uint64_t events_left =
        indexed.event_count - events_final - (any_overflowed ? overflowed->second->size() : 0);
    if (events_left == 0) continue;
    reader_->seek(indexed.offset);
    auto entry = reader_->next();
    if (!entry) return failure(entry.error());
    bool whole = entry->has_value() && (*entry)->offset == indexed.offset;
    if (whole) {
      const auto taken = take_entry(stretch, std::move(**entry), events_final);
      if (!taken) return failure(taken.error());
      whole = *taken;
    }
    if (whole && any_overflowed) stretch.entries.back().overflowed = overflowed->second;
    if (!whole) {
      ++stretch.damaged_entries;
      stretch.damaged_events += events_left;
    }
  }
  stretch.at_end = !stretch.is_full();
  return {};
}

// The segment being filled, or one closed by a failure: all of its entries were written by this
// process.
IoResult<void> BacklogReader::read_in_sequence(Stretch& stretch) {
  while (stretch.number < stretch.number_end && !stretch.is_full()) {
    auto entry = reader_->next();
    if (!entry) return failure(entry.error());
    if (!entry->has_value()) {
      stretch.at_end = true;
      break;
    }
    const auto taken = take_entry(stretch, std::move(**entry), 0);
    if (!taken) return failure(taken.error());
    if (*taken) ++stretch.number;  // else counted when everything else has been read
  }
  return {};
}

IoResult<bool> BacklogReader::take_entry(Stretch& stretch, StoredEntry stored,
                                         uint32_t events_final) {
  const Position position{stretch.segment, stored.offset};
  const auto end = static_cast<uint32_t>(stored.end());
  const ChunkPart chunk = chunk_part_of(stored.header);
  const bool large = is_large(stored.header.payload_size);
  ByteBuffer payload;
  bool is_whole = true;
  if (!large) {
    payload = ByteBuffer(stored.header.payload_size);
    payload.resize(stored.header.payload_size);
    const auto read = reader_->read_payload({payload.data(), payload.size()});
    if (!read) return failure(read.error());
    is_whole = *read;
  }
  stretch.offset = stored.end();
  if (!is_whole) return false;
  stretch.bytes += payload.size();
  std::shared_ptr<const OverflowOrigin> origin;
  if (stored.origin) {
    origin = std::make_shared<const OverflowOrigin>(*std::exchange(stored.origin, std::nullopt));
  }
  record::Batch batch = batch_of(std::move(stored), std::move(payload));
  auto shared = large ? std::make_shared<const record::Batch>(std::move(batch))
                      : counted(*stretch.queue, std::move(batch));
  stretch.entries.push_back({position,
                             end,
                             std::move(shared),
                             events_final,
                             0,
                             stretch.number,
                             chunk,
                             {},
                             std::move(origin),
                             large});
  return true;
}

std::shared_ptr<const record::Batch> BacklogReader::counted(StreamQueue& queue,
                                                            record::Batch batch) {
  const uint64_t bytes = batch.storage.capacity();
  auto read = queue.bytes_read;
  read->bytes += bytes;
  return {new record::Batch(std::move(batch)), [read, bytes](const record::Batch* gone) {
            delete gone;
            read->give_back(bytes);
          }};
}

void BacklogReader::publish(Stretch& stretch, Calls& calls) {
  StreamQueue& queue = *stretch.queue;
  queue.reading = false;
  queue.cursor = {stretch.segment, static_cast<uint32_t>(stretch.offset)};
  queue.next_number = stretch.number;
  if (!stretch.outcome) {
    state_.note_error("cannot read " + segment_path(queue.files->directory(), stretch.segment) +
                      ": " + stretch.outcome.error().text());
    queue.read_retry_at = state_.clock.steady() + kRetryInterval;
    reader_.reset();
  } else {
    queue.read_retry_at.reset();
  }
  pass_over_damage(stretch);
  for (ReadyEntry& entry : stretch.entries) queue.ahead.push_back(std::move(entry));
  if (!queue.ahead.empty()) queue.wake_reader(calls);
}

// Everything that was there to be read has been. What the books say there should be besides is
// damaged: counted, so that nothing waits for it.
void BacklogReader::pass_over_damage(Stretch& stretch) {
  StreamQueue& queue = *stretch.queue;
  const auto segment = queue.segments.find(stretch.segment);
  if (segment == queue.segments.end() || segment->second.dropped) return;
  if (stretch.at_end && stretch.number < stretch.number_end) {
    stretch.damaged_entries += static_cast<uint32_t>(stretch.number_end - stretch.number);
    uint64_t events = stretch.events_left - stretch.damaged_events;
    for (const ReadyEntry& entry : stretch.entries) {
      events -= entry.events_left();
    }
    stretch.damaged_events += events;
    queue.next_number = stretch.number_end;
  }
  if (stretch.damaged_entries == 0) return;
  queue.pass_over_damage(stretch.segment, stretch.damaged_entries, stretch.damaged_events);
}

}  // namespace penstock::spool
