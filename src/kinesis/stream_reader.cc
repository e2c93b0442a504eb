#include "kinesis/stream_reader.h"

#include <algorithm>
#include <thread>

namespace penstock::kinesis {

StreamReader::StreamReader(ControlClient& client, StreamReaderOptions options, const Clock& clock)
    : client_(client), options_(std::move(options)), clock_(clock) {
  if (!options_.sleep) {
    options_.sleep = [](nanoseconds time) { std::this_thread::sleep_for(time); };
  }
}

void StreamReader::add(const ShardDescription& shard, IteratorStart start) {
  begun_.insert(shard.id);
  readings_.push_back({shard.id, std::move(start), {}, clock_.steady(), false});
}

// A parent that is no longer listed has expired, and nothing of it can be read.
bool StreamReader::parents_done(const ShardDescription& shard) const {
  const auto over = [this](const std::string& id) {
    return id.empty() || done_.contains(id) || !known_.contains(id);
  };
  return over(shard.parent_id) && over(shard.adjacent_parent_id);
}

Result<void, ServiceError> StreamReader::begin() {
  auto shards = client_.list_shards(options_.stream, false);
  if (!shards) return failure(shards.error());
  for (ShardDescription& shard : *shards) {
    // From the tip on, what is closed has nothing more to say.
    if (options_.from.type == IteratorStart::Type::latest && shard.closed) {
      done_.insert(shard.id);
      begun_.insert(shard.id);
    }
    known_.emplace(shard.id, shard);
  }
  for (const ShardDescription& shard : *shards) {
    if (!begun_.contains(shard.id) && parents_done(shard)) add(shard, options_.from);
  }
  return {};
}

// After a shard has ended: those that take up where it left off.
Result<void, ServiceError> StreamReader::find_children() {
  auto shards = client_.list_shards(options_.stream, false);
  if (!shards) return failure(shards.error());
  for (ShardDescription& shard : *shards) known_.emplace(shard.id, std::move(shard));
  IteratorStart start = options_.from;
  // Nothing of a child is older than the tip its parent was followed from.
  if (start.type == IteratorStart::Type::latest) start.type = IteratorStart::Type::oldest;
  for (const auto& [id, shard] : known_) {
    if (!begun_.contains(id) && parents_done(shard)) add(shard, start);
  }
  return {};
}

Result<bool, ServiceError> StreamReader::read_page(Reading& reading, const OnRecord& on_record,
                                                   bool& is_done) {
  if (reading.iterator.empty()) {
    auto iterator = client_.shard_iterator(options_.stream, reading.id, reading.start);
    if (!iterator) return failure(iterator.error());
    reading.iterator = std::move(*iterator);
    // Should this iterator expire before a record has come, "latest" would skip what came
    // meanwhile.
    if (reading.start.type == IteratorStart::Type::latest) {
      reading.start = {IteratorStart::Type::at_time, clock_.wall(), {}};
    }
  }
  auto page = client_.get_records(options_.stream, reading.iterator, options_.page_records_max);
  if (!page) {
    if (page.error().code == "ExpiredIteratorException") {
      reading.iterator.clear();
      return true;
    }
    return failure(page.error());
  }
  const ShardDescription& shard = known_.at(reading.id);
  for (const StoredRecord& record : page->records) {
    if (!on_record(shard, record)) return false;
  }
  if (!page->records.empty()) {
    reading.start = {
        IteratorStart::Type::after_sequence_number, {}, page->records.back().sequence_number};
  }
  reading.iterator = std::move(page->next_iterator);
  is_done = reading.iterator.empty();
  reading.at_tip = page->records.empty() && page->behind_ms == 0;
  const bool near_tip = page->behind_ms == 0;
  reading.due = clock_.steady() +
                (near_tip && options_.follow ? options_.interval_tip : options_.interval_backlog);
  return true;
}

bool StreamReader::finished() const {
  if (readings_.empty()) return true;
  return !options_.follow && std::all_of(readings_.begin(), readings_.end(),
                                         [](const Reading& reading) { return reading.at_tip; });
}

Result<bool, ServiceError> StreamReader::turn(const OnRecord& on_record) {
  bool any_done = false;
  for (size_t i = 0; i < readings_.size();) {
    Reading& reading = readings_[i];
    if (reading.due > clock_.steady() || (reading.at_tip && !options_.follow)) {
      ++i;
      continue;
    }
    bool is_done = false;
    auto wants_more = read_page(reading, on_record, is_done);
    if (!wants_more || !*wants_more) return wants_more;
    if (!is_done) {
      ++i;
      continue;
    }
    done_.insert(reading.id);
    any_done = true;
    readings_.erase(readings_.begin() + static_cast<ptrdiff_t>(i));
  }
  if (any_done) {
    const auto found = find_children();
    if (!found) return failure(found.error());
  }
  return true;
}

Result<void, ServiceError> StreamReader::read(const OnRecord& on_record) {
  const auto begun = begin();
  if (!begun) return begun;
  while (!finished()) {
    const auto wants_more = turn(on_record);
    if (!wants_more) return failure(wants_more.error());
    if (!*wants_more) return {};
    SteadyTime next = SteadyTime::max();
    for (const Reading& reading : readings_) {
      if (!reading.at_tip || options_.follow) next = std::min(next, reading.due);
    }
    const nanoseconds wait = next - clock_.steady();
    if (next != SteadyTime::max() && wait > nanoseconds(0)) options_.sleep(wait);
  }
  return {};
}

}  // namespace penstock::kinesis
