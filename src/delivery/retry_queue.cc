#include "delivery/retry_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::delivery {
namespace {

// A record and what keeping it costs besides.
size_t memory_of(const QueuedRecord& record) { return record.data.capacity() + 256; }

}  // namespace

void RetryQueue::count_in(const QueuedRecord& record) {
  ++count_;
  bytes_ += memory_of(record);
  quiet_until_ = SteadyTime{};
  if (record.meta.any_shard) return;
  Load& load = loads_[record.meta.shard];
  load.bytes += memory_of(record);
  if (record.meta.attempts == 0) return;
  ++load.refused;
  ++refused_;
}

void RetryQueue::count_out(const QueuedRecord& record) {
  --count_;
  bytes_ -= memory_of(record);
  if (record.meta.any_shard) return;
  const auto load = loads_.find(record.meta.shard);
  CHECK(load != loads_.end());
  load->second.bytes -= memory_of(record);
  if (record.meta.attempts > 0) {
    --load->second.refused;
    --refused_;
  }
  if (load->second.bytes == 0) loads_.erase(load);
}

void RetryQueue::add(QueuedRecord record) {
  CHECK(record.meta.order_key == 0);
  count_in(record);
  const auto place =
      std::upper_bound(due_.begin(), due_.end(), record.due,
                       [](SteadyTime due, const auto& other) { return due < other.due; });
  due_.insert(place, std::move(record));
}

void RetryQueue::park(QueuedRecord record) {
  CHECK(record.meta.order_key == 0);
  count_in(record);
  auto& records = parked_[record.meta.shard];
  if (record.meta.attempts > 0) {
    records.push_front(std::move(record));
  } else {
    records.push_back(std::move(record));
  }
}

void RetryQueue::schedule_key(uint64_t key, SteadyTime due) {
  keys_later_.emplace(due, key);
  quiet_until_ = SteadyTime{};
}

void RetryQueue::begin(uint64_t key) {
  CHECK(key != 0);
  const auto [place, is_new] = keys_.try_emplace(key);
  CHECK(is_new);
  place->second.under_way = true;
}

void RetryQueue::append(QueuedRecord record) {
  CHECK(record.meta.order_key != 0);
  count_in(record);
  const uint64_t key = record.meta.order_key;
  KeyQueue& queue = keys_[key];
  if (!queue.under_way && queue.records.empty()) schedule_key(key, record.due);
  queue.records.push_back(std::move(record));
}

void RetryQueue::put_back(std::deque<QueuedRecord> records) {
  const uint64_t key = records.front().meta.order_key;
  const auto queue = keys_.find(key);
  CHECK(queue != keys_.end() && queue->second.under_way);
  queue->second.under_way = false;
  schedule_key(key, records.front().due);
  for (; !records.empty(); records.pop_back()) {
    CHECK(records.back().meta.order_key == key);
    count_in(records.back());
    queue->second.records.push_front(std::move(records.back()));
  }
}

void RetryQueue::done(uint64_t key) {
  const auto queue = keys_.find(key);
  CHECK(queue != keys_.end() && queue->second.under_way);
  if (queue->second.records.empty()) {
    keys_.erase(queue);
    return;
  }
  queue->second.under_way = false;
  schedule_key(key, queue->second.records.front().due);
}

QueuedRecord* RetryQueue::next(SteadyTime now, ShardSelector& shards) {
  from_ = From::nowhere;
  if (count_ == 0 || now < quiet_until_) return nullptr;
  quiet_until_ = SteadyTime::max();
  if (!due_.empty()) {
    if (due_.front().due <= now) {
      from_ = From::due;
      quiet_until_ = SteadyTime{};
      return &due_.front();
    }
    quiet_until_ = due_.front().due;
  }
  if (QueuedRecord* const record = next_of_keys(now, shards)) return record;
  return next_parked(now, shards);
}

QueuedRecord* RetryQueue::next_of_keys(SteadyTime now, ShardSelector& shards) {
  while (!keys_later_.empty() && keys_later_.begin()->first <= now) {
    keys_ready_.push_back(keys_later_.begin()->second);
    keys_later_.erase(keys_later_.begin());
  }
  while (!keys_ready_.empty()) {
    const uint64_t key = keys_ready_.front();
    QueuedRecord& front = keys_.at(key).records.front();
    const SteadyTime ready = std::max(front.due, shards.ready_at(front.meta.shard, now));
    if (ready <= now) {
      from_ = From::key;
      quiet_until_ = SteadyTime{};
      return &front;
    }
    keys_ready_.pop_front();
    keys_later_.emplace(ready, key);
  }
  if (!keys_later_.empty()) quiet_until_ = std::min(quiet_until_, keys_later_.begin()->first);
  return nullptr;
}

QueuedRecord* RetryQueue::next_parked(SteadyTime now, ShardSelector& shards) {
  auto place = parked_.upper_bound(from_shard_);
  for (size_t left = parked_.size(); left > 0; --left) {
    if (place == parked_.end()) place = parked_.begin();
    const SteadyTime ready = shards.ready_at(place->first, now);
    if (ready <= now) {
      from_ = From::parked;
      from_shard_ = place->first;
      quiet_until_ = SteadyTime{};
      return &place->second.front();
    }
    quiet_until_ = std::min(quiet_until_, ready);
    ++place;
  }
  return nullptr;
}

QueuedRecord RetryQueue::take() {
  CHECK(from_ != From::nowhere);
  QueuedRecord record;
  if (from_ == From::due) {
    record = std::move(due_.front());
    due_.pop_front();
  } else if (from_ == From::key) {
    KeyQueue& queue = keys_.at(keys_ready_.front());
    keys_ready_.pop_front();
    record = std::move(queue.records.front());
    queue.records.pop_front();
    CHECK(!queue.under_way);
    queue.under_way = true;
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

const QueuedRecord* RetryQueue::find_if(
    const std::function<bool(const QueuedRecord&)>& wanted) const {
  const auto find_in = [&](const auto& records) -> const QueuedRecord* {
    const auto found = std::find_if(records.begin(), records.end(), wanted);
    return found == records.end() ? nullptr : &*found;
  };
  if (const QueuedRecord* const record = find_in(due_)) return record;
  for (const auto& [shard, records] : parked_) {
    if (const QueuedRecord* const record = find_in(records)) return record;
  }
  for (const auto& [key, queue] : keys_) {
    if (!queue.records.empty() && wanted(queue.records.back())) return &queue.records.back();
  }
  return nullptr;
}

std::vector<QueuedRecord> RetryQueue::take_if(
    const std::function<bool(const QueuedRecord&)>& wanted) {
  from_ = From::nowhere;
  std::vector<QueuedRecord> taken;
  const auto take_from = [&](auto& records) {
    for (auto record = records.begin(); record != records.end();) {
      if (!wanted(*record)) {
        ++record;
        continue;
      }
      count_out(*record);
      taken.push_back(std::move(*record));
      record = records.erase(record);
    }
  };
  take_from(due_);
  for (auto place = parked_.begin(); place != parked_.end();) {
    take_from(place->second);
    place = place->second.empty() ? parked_.erase(place) : std::next(place);
  }
  for (auto key = keys_.begin(); key != keys_.end();) {
    // Of a key all that follows a record that stays: what is in front of one keeps its place.
    auto& records = key->second.records;
    auto begin = records.end();
    while (begin != records.begin() && wanted(*std::prev(begin))) --begin;
    std::list<QueuedRecord> tail;
    tail.splice(tail.end(), records, begin, records.end());
    take_from(tail);
    const bool is_gone = key->second.records.empty() && !key->second.under_way;
    key = is_gone ? keys_.erase(key) : std::next(key);
  }
  schedule_all_keys();
  return taken;
}

void RetryQueue::schedule_all_keys() {
  keys_ready_.clear();
  keys_later_.clear();
  for (const auto& [key, queue] : keys_) {
    if (!queue.under_way && !queue.records.empty()) {
      schedule_key(key, queue.records.front().due);
    }
  }
  quiet_until_ = SteadyTime{};
}

}  // namespace penstock::delivery
