// ShardPacer: how fast each shard of one stream is sent to, learned from its own answers.
//
// A shard starts without a limit. Its throttles, and nothing else, give it one: a little below what
// it was seen to accept. The limit then grows along CUBIC's curve (beta 0.7, C 0.4, as in the
// AWS SDKs' adaptive mode): fast back to where it was, slowly around there, fast beyond; and is
// dropped when it no longer binds. A throttle that names no shard counts for the shard predicted
// for the record; without a prediction for the stream as a whole.
//
// The measure is the unit: a thousandth of what a shard takes in a second by its documented limits
// (1,000 records and 1,000,000 bytes). A record costs the larger of one and its size in thousands
// of bytes.
//
// Pure: time is passed in. Thread: one at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <unordered_map>

#include "base/clock.h"

namespace penstock::kinesis {

class ShardMap;

[[nodiscard]] inline double pacing_units(size_t record_bytes) {
  return std::max(1.0, static_cast<double>(record_bytes) / 1000.0);
}

// One limit, of a shard or of a stream.
class Pace {
 public:
  // The earliest time at which a further record may go: now, or later.
  [[nodiscard]] SteadyTime ready_at(SteadyTime now);
  void sent(double units, SteadyTime now);
  void accepted(double units, SteadyTime now);
  void throttled(double units, SteadyTime now);

  [[nodiscard]] bool limited() const { return limited_; }
  [[nodiscard]] double units_per_second() const { return rate_; }

 private:
  void grow(SteadyTime now);
  void refill(SteadyTime now);
  void roll(SteadyTime now);

  bool limited_ = false;
  double rate_ = 0;     // units a second; meaningful while limited
  double balance_ = 0;  // units that may go at once; negative: a debt
  SteadyTime refilled_{};
  double rate_before_cut_ = 0;  // CUBIC's w_max
  SteadyTime cut_at_{};

  // What was answered of late, to know what the shard accepts: this window and the last.
  SteadyTime window_start_{};
  double accepted_now_ = 0, accepted_before_ = 0;
};

class ShardPacer {
 public:
  // shard: kNoShard when it cannot be predicted.
  [[nodiscard]] SteadyTime ready_at(uint32_t shard, SteadyTime now);
  void sent(uint32_t shard, size_t record_bytes, SteadyTime now);
  // shard: where the service says it went, else the predicted one.
  void accepted(uint32_t shard, size_t record_bytes, SteadyTime now) {
    accepted_units(shard, pacing_units(record_bytes), now);
  }
  // The same for several records at once, by the sum of their pacing_units().
  void accepted_units(uint32_t shard, double units, SteadyTime now);
  void throttled(uint32_t shard, size_t record_bytes, SteadyTime now);

  // Forgets shards that are gone.
  void keep_only(const ShardMap& shards);

  // Of shards; the stream as a whole not included.
  [[nodiscard]] size_t limited_count() const;
  [[nodiscard]] bool any_limit() const { return stream_.limited() || limited_count() > 0; }
  // nullptr: nothing was ever sent there. kNoShard: the stream's.
  [[nodiscard]] const Pace* pace(uint32_t shard) const;

 private:
  Pace& lane(uint32_t shard);

  Pace stream_;
  std::unordered_map<uint32_t, Pace> shards_;
};

}  // namespace penstock::kinesis
