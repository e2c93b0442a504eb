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

OpenAggregates::Open* OpenAggregates::find(uint64_t group) {
  if (!open_.empty() && open_.back().group == group) return &open_.back();
  const auto found = by_group_.find(group);
  return found == by_group_.end() ? nullptr : &*found->second;
}

OpenAggregates::Open& OpenAggregates::open(uint64_t group, const kinesis_format::RecordKey& key,
                                           SteadyTime now) {
  if (spare_.empty()) {
    open_.push_back({group, now, {}, kinesis_format::Aggregator(options_, compressor_.get())});
  } else {
    open_.splice(open_.end(), spare_, spare_.begin());
  }
  Open& opened = open_.back();
  opened.group = group;
  opened.since = now;
  opened.meta = {};
  opened.aggregator.begin(key);
  const bool is_new = by_group_.emplace(group, std::prev(open_.end())).second;
  CHECK(is_new);
  return opened;
}

void OpenAggregates::add_span(RecordMetadata& meta, const EventSpan& span) {
  EventSpan& last = meta.more.empty() ? meta.span : meta.more.back();
  if (last.count == 0) {
    last = span;
  } else if (last.ticket == span.ticket && last.first + last.count == span.first) {
    last.count += span.count;
  } else {
    meta.more.push_back(span);
  }
}

QueuedRecord OpenAggregates::close(Open& open, SteadyTime now) {
  QueuedRecord record;
  const kinesis_format::RecordKey key = open.aggregator.key();
  record.partition_key = key.partition_key;
  record.hash_key = key.explicit_hash_key;
  record.meta = std::move(open.meta);
  record.due = now;
  record.data.reserve(open.aggregator.counted_bytes() + 64);
  record.meta.unsealed = open.aggregator.close_unsealed(record.data);
  drop(open);
  return record;
}

void OpenAggregates::drop(Open& open) {
  const auto found = by_group_.find(open.group);
  CHECK(found != by_group_.end());
  const auto place = found->second;
  by_group_.erase(found);
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
