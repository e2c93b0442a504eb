// StreamReader: reads a stream back, all shards: a shard's records in order, children after their
// parents, iterators renewed when they expire, within the limits that all readers of a shard share
// (5 calls and 2 MB a second).
//
// Thread: one.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kinesis/control.h"

namespace penstock::kinesis {

struct StreamReaderOptions {
  StreamId stream;
  IteratorStart from;
  bool follow = false;  // else it ends when each shard has been read to its tip
  // Between two calls on one shard: while there is a backlog, and at its tip.
  milliseconds interval_backlog{250};
  milliseconds interval_tip{1'000};
  uint32_t page_records_max = 10'000;
  std::function<void(nanoseconds)> sleep;  // empty: the thread sleeps
};

class StreamReader {
 public:
  // shard: where the record was read. Returns false to stop.
  using OnRecord = std::function<bool(const ShardDescription& shard, const StoredRecord& record)>;

  StreamReader(ControlClient& client, StreamReaderOptions options, const Clock& clock);

  // True: read to the end (or stopped by on_record); with follow it ends only so, or by an error.
  [[nodiscard]] Result<void, ServiceError> read(const OnRecord& on_record);

 private:
  struct Reading {
    std::string id;
    IteratorStart start;  // where to go on when the iterator has expired
    std::string iterator;
    SteadyTime due{};
    bool at_tip = false;
  };
  [[nodiscard]] Result<void, ServiceError> begin();
  [[nodiscard]] Result<void, ServiceError> find_children();
  [[nodiscard]] bool parents_done(const ShardDescription& shard) const;
  void add(const ShardDescription& shard, IteratorStart start);
  // False: on_record wants no more.
  [[nodiscard]] Result<bool, ServiceError> read_page(Reading& reading, const OnRecord& on_record,
                                                     bool& is_done);
  [[nodiscard]] Result<bool, ServiceError> turn(const OnRecord& on_record);
  [[nodiscard]] bool finished() const;

  ControlClient& client_;
  StreamReaderOptions options_;
  const Clock& clock_;
  std::vector<Reading> readings_;
  std::map<std::string, ShardDescription> known_;
  std::set<std::string> begun_;
  std::set<std::string> done_;
};

}  // namespace penstock::kinesis
