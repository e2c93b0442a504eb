#include "delivery/open_aggregates.h"

#include "base/check.h"

namespace penstock::delivery {
namespace {

constexpr size_t kSparesMax = 4;

}  // namespace

OpenAggregates::OpenAggregates(const kinesis_format::Aggregator::Options& options, Limits limits)
    : options_(options),
      limits_(limits),
      compressor_(std::make_unique<codec::Compressor>(options.compression)) {}

OpenAggregates::Open* OpenAggregates::find(uint64_t lane) {
  if (!open_.empty() && open_.back().lane == lane) return &open_.back();
  const auto found = by_lane_.find(lane);
  return found == by_lane_.end() ? nullptr : &*found->second;
}

OpenAggregates::Open& OpenAggregates::open(uint64_t lane, const kinesis_format::RecordKey& key,
                                           SteadyTime now) {
  if (spare_.empty()) {
    open_.push_back({lane, now, {}, kinesis_format::Aggregator(options_, compressor_.get())});
  } else {
    open_.splice(open_.end(), spare_, spare_.begin());
  }
  Open& opened = open_.back();
  opened.lane = lane;
  opened.since = now;
  opened.note = {};
  opened.aggregator.begin(key);
  const bool is_new = by_lane_.emplace(lane, std::prev(open_.end())).second;
  CHECK(is_new);
  return opened;
}

void OpenAggregates::add_span(RecordNote& note, const EventSpan& span) {
  EventSpan& last = note.more.empty() ? note.span : note.more.back();
  if (last.count == 0) {
    last = span;
  } else if (last.ticket == span.ticket && last.first + last.count == span.first) {
    last.count += span.count;
  } else {
    note.more.push_back(span);
  }
}

Waiting OpenAggregates::close(Open& open, SteadyTime now) {
  Waiting record;
  const kinesis_format::RecordKey key = open.aggregator.key();
  record.partition_key = key.partition_key;
  record.hash_key = key.explicit_hash_key;
  record.note = std::move(open.note);
  record.due = now;
  record.data.reserve(open.aggregator.counted_bytes() + 64);
  record.note.unsealed = open.aggregator.close_unsealed(record.data);
  drop(open);
  return record;
}

void OpenAggregates::drop(Open& open) {
  const auto found = by_lane_.find(open.lane);
  CHECK(found != by_lane_.end());
  const auto place = found->second;
  by_lane_.erase(found);
  place->aggregator.clear();
  if (spare_.size() < kSparesMax) {
    spare_.splice(spare_.end(), open_, place);
  } else {
    open_.erase(place);
  }
}

size_t OpenAggregates::bytes() const {
  size_t bytes = 0;
  for (const Open& open : open_) bytes += open.aggregator.memory_bytes();
  return bytes;
}

}  // namespace penstock::delivery
