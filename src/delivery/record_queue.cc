#include "delivery/record_queue.h"

#include <algorithm>

#include "base/check.h"

namespace penstock::delivery {
namespace {

// A record and what keeping it costs besides.
size_t memory_of(const Waiting& record) { return record.data.capacity() + 256; }

}  // namespace

void RecordQueue::count_in(const Waiting& record) {
  ++count_;
  bytes_ += memory_of(record);
  quiet_until_ = SteadyTime{};
  if (record.note.anywhere) return;
  Place& place = places_[record.note.shard];
  place.bytes += memory_of(record);
  if (record.note.tries == 0) return;
  ++place.refused;
  ++refused_;
}

void RecordQueue::count_out(const Waiting& record) {
  --count_;
  bytes_ -= memory_of(record);
  if (record.note.anywhere) return;
  const auto place = places_.find(record.note.shard);
  place->second.bytes -= memory_of(record);
  if (record.note.tries > 0) {
    --place->second.refused;
    --refused_;
  }
  if (place->second.bytes == 0) places_.erase(place);
}

void RecordQueue::add(Waiting record) {
  count_in(record);
  const auto place =
      std::upper_bound(loose_.begin(), loose_.end(), record.due,
                       [](SteadyTime due, const Waiting& other) { return due < other.due; });
  loose_.insert(place, std::move(record));
}

void RecordQueue::park(Waiting record, bool in_front) {
  count_in(record);
  auto& records = parked_[record.note.shard];
  if (in_front) {
    records.push_front(std::move(record));
  } else {
    records.push_back(std::move(record));
  }
}

void RecordQueue::list_lane(uint64_t id, SteadyTime due) {
  lanes_later_.emplace(due, id);
  quiet_until_ = SteadyTime{};
}

void RecordQueue::lane_begins(uint64_t lane) {
  const auto [place, is_new] = lanes_.try_emplace(lane);
  CHECK(is_new);
  place->second.under_way = true;
}

void RecordQueue::lane_append(Waiting record) {
  count_in(record);
  const uint64_t id = record.note.lane;
  Lane& lane = lanes_[id];
  if (!lane.under_way && lane.records.empty()) list_lane(id, record.due);
  lane.records.push_back(std::move(record));
}

void RecordQueue::lane_return(Waiting record) {
  std::deque<Waiting> one;
  one.push_back(std::move(record));
  lane_return(std::move(one));
}

void RecordQueue::lane_return(std::deque<Waiting> records) {
  const uint64_t id = records.front().note.lane;
  Lane& lane = lanes_[id];
  CHECK(lane.under_way);
  lane.under_way = false;
  list_lane(id, records.front().due);
  for (; !records.empty(); records.pop_back()) {
    count_in(records.back());
    lane.records.push_front(std::move(records.back()));
  }
}

void RecordQueue::lane_done(uint64_t id) {
  const auto lane = lanes_.find(id);
  CHECK(lane != lanes_.end() && lane->second.under_way);
  if (lane->second.records.empty()) {
    lanes_.erase(lane);
    return;
  }
  lane->second.under_way = false;
  list_lane(id, lane->second.records.front().due);
}

Waiting* RecordQueue::next(SteadyTime now, Placement& placement) {
  from_ = From::nowhere;
  if (count_ == 0 || now < quiet_until_) return nullptr;
  quiet_until_ = SteadyTime::max();
  if (!loose_.empty()) {
    if (loose_.front().due <= now) {
      from_ = From::loose;
      quiet_until_ = SteadyTime{};
      return &loose_.front();
    }
    quiet_until_ = loose_.front().due;
  }
  if (Waiting* const record = next_lane(now, placement)) return record;
  return next_parked(now, placement);
}

Waiting* RecordQueue::next_lane(SteadyTime now, Placement& placement) {
  while (!lanes_later_.empty() && lanes_later_.begin()->first <= now) {
    lanes_ready_.push_back(lanes_later_.begin()->second);
    lanes_later_.erase(lanes_later_.begin());
  }
  while (!lanes_ready_.empty()) {
    const uint64_t id = lanes_ready_.front();
    Waiting& front = lanes_.at(id).records.front();
    const SteadyTime ready = std::max(front.due, placement.ready_at(front.note.shard, now));
    if (ready <= now) {
      from_ = From::lane;
      quiet_until_ = SteadyTime{};
      return &front;
    }
    lanes_ready_.pop_front();
    lanes_later_.emplace(ready, id);
  }
  if (!lanes_later_.empty()) quiet_until_ = std::min(quiet_until_, lanes_later_.begin()->first);
  return nullptr;
}

Waiting* RecordQueue::next_parked(SteadyTime now, Placement& placement) {
  auto place = parked_.upper_bound(last_shard_);
  for (size_t left = parked_.size(); left > 0; --left) {
    if (place == parked_.end()) place = parked_.begin();
    const SteadyTime ready = placement.ready_at(place->first, now);
    if (ready <= now) {
      from_ = From::parked;
      from_shard_ = last_shard_ = place->first;
      quiet_until_ = SteadyTime{};
      return &place->second.front();
    }
    quiet_until_ = std::min(quiet_until_, ready);
    ++place;
  }
  return nullptr;
}

Waiting RecordQueue::take() {
  CHECK(from_ != From::nowhere);
  Waiting record;
  if (from_ == From::loose) {
    record = std::move(loose_.front());
    loose_.pop_front();
  } else if (from_ == From::lane) {
    Lane& lane = lanes_.at(lanes_ready_.front());
    lanes_ready_.pop_front();
    record = std::move(lane.records.front());
    lane.records.pop_front();
    lane.under_way = true;
  } else {
    auto& records = parked_.at(from_shard_);
    record = std::move(records.front());
    records.pop_front();
    if (records.empty()) parked_.erase(from_shard_);
  }
  from_ = From::nowhere;
  count_out(record);
  return record;
}

}  // namespace penstock::delivery
