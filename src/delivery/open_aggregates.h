// OpenAggregates: the aggregates being filled, one for each group that has any (packer.h). Bounded
// in number and in bytes: the oldest is closed to make room.
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "delivery/records.h"
#include "kinesis_format/aggregate.h"

namespace penstock::delivery {

class OpenAggregates {
 public:
  struct Limits {
    size_t count_max = 64;
    size_t bytes_max = 4_MiB;
  };
  struct Open {
    uint64_t group;
    SteadyTime since;
    RecordMetadata meta;
    kinesis_format::Aggregator aggregator;
  };

  OpenAggregates(const kinesis_format::Aggregator::Options& options, Limits limits);

  // nullptr: none of that group is open.
  [[nodiscard]] Open* find(uint64_t group);
  // Requires that none of the group is open. The limits are the caller's to ask for.
  Open& open(uint64_t group, const kinesis_format::RecordKey& key, SteadyTime now);
  // After an event was added.
  static void add_span(RecordMetadata& meta, const EventSpan& span);

  // The record of an aggregate with events in it.
  [[nodiscard]] QueuedRecord close(Open& open, SteadyTime now);
  // Without events: forgotten.
  void drop(Open& open);

  [[nodiscard]] bool empty() const { return open_.empty(); }
  [[nodiscard]] size_t count() const { return open_.size(); }
  // Oldest first.
  [[nodiscard]] Open& oldest() { return open_.front(); }
  [[nodiscard]] bool too_many() const { return open_.size() > limits_.count_max; }
  [[nodiscard]] bool too_large() const { return bytes() > limits_.bytes_max; }
  [[nodiscard]] size_t bytes() const;

 private:
  kinesis_format::Aggregator::Options options_;
  Limits limits_;
  std::unique_ptr<codec::Compressor> compressor_;  // shared by all: it takes up to 1.3 MiB
  std::list<Open> open_;
  std::unordered_map<uint64_t, std::list<Open>::iterator> by_group_;
  std::list<Open> spare_;  // for their memory
};

}  // namespace penstock::delivery
