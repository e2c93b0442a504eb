#include "kinesis/shard_pacer.h"

#include <cmath>

#include "kinesis/put_records.h"
#include "kinesis/shard_map.h"

namespace penstock::kinesis {
namespace {

constexpr double kBeta = 0.7;  // what a throttle leaves of the rate
constexpr double kGrowth = 0.4;
constexpr double kRateMin = 2;  // a shard throttled to nothing is still asked twice a second
constexpr double kRateUnlimited = 4000;  // four times what a shard takes: the limit does not bind
constexpr auto kWindow = milliseconds(500);
constexpr auto kCutInterval = milliseconds(500);  // answers to one burst count as one throttle
constexpr double kBurstSeconds = 0.1;
// A throttled shard accepts what it can, and a little more is asked of it than was seen.
constexpr double kHeadroom = 1.4;

double to_seconds(nanoseconds time) { return static_cast<double>(time.count()) / 1e9; }

}  // namespace

void Pace::roll(SteadyTime now) {
  const auto age = now - window_start_;
  if (age < kWindow) return;
  accepted_before_ = age < 2 * kWindow ? accepted_now_ : 0;
  accepted_now_ = 0;
  window_start_ = now;
}

// CUBIC: rate(t) = C·(t − K)³ + w_max, K so chosen that the curve starts at the rate after the cut.
void Pace::grow(SteadyTime now) {
  if (!limited_) return;
  const double k = std::cbrt(rate_before_cut_ * (1 - kBeta) / kGrowth);
  const double since = to_seconds(now - cut_at_);
  const double grown = kGrowth * std::pow(since - k, 3) + rate_before_cut_;
  rate_ = std::max({rate_, grown, kRateMin});
  if (rate_ >= kRateUnlimited) {
    limited_ = false;
    balance_ = 0;
  }
}

void Pace::refill(SteadyTime now) {
  grow(now);
  if (!limited_) return;
  const double burst = std::max(1.0, rate_ * kBurstSeconds);
  balance_ = std::min(burst, balance_ + rate_ * to_seconds(now - refilled_));
  refilled_ = now;
}

SteadyTime Pace::ready_at(SteadyTime now) {
  refill(now);
  if (!limited_ || balance_ >= 0) return now;
  const double wait = -balance_ / rate_;
  return now + std::chrono::ceil<milliseconds>(std::chrono::duration<double>(wait));
}

// A record may go while there is no debt, whatever it costs: a large one is paid for afterwards.
void Pace::sent(double units, SteadyTime now) {
  refill(now);
  if (limited_) balance_ -= units;
}

void Pace::accepted(double units, SteadyTime now) {
  roll(now);
  accepted_now_ += units;
}

void Pace::throttled(double, SteadyTime now) {
  roll(now);
  grow(now);
  if (limited_ && now - cut_at_ < kCutInterval) return;
  const double seen = (accepted_now_ + accepted_before_) /
                      to_seconds(std::max<nanoseconds>(now - window_start_ + kWindow, kWindow));
  const double sensible = std::max(kRateMin, seen * kHeadroom);
  rate_before_cut_ = limited_ ? std::min(rate_, sensible) : sensible;
  if (!limited_) {
    limited_ = true;
    refilled_ = now;
    balance_ = 0;
  }
  rate_ = std::max(kRateMin, rate_before_cut_ * kBeta);
  cut_at_ = now;
}

Pace& ShardPacer::lane(uint32_t shard) { return shard == kNoShard ? stream_ : shards_[shard]; }

SteadyTime ShardPacer::ready_at(uint32_t shard, SteadyTime now) {
  SteadyTime ready = stream_.ready_at(now);
  if (shard == kNoShard) return ready;
  const auto known = shards_.find(shard);
  return known == shards_.end() ? ready : std::max(ready, known->second.ready_at(now));
}

void ShardPacer::sent(uint32_t shard, size_t record_bytes, SteadyTime now) {
  const double units = pacing_units(record_bytes);
  stream_.sent(units, now);
  if (shard != kNoShard) shards_[shard].sent(units, now);
}

void ShardPacer::accepted_units(uint32_t shard, double units, SteadyTime now) {
  stream_.accepted(units, now);
  if (shard != kNoShard) shards_[shard].accepted(units, now);
}

void ShardPacer::throttled(uint32_t shard, size_t record_bytes, SteadyTime now) {
  lane(shard).throttled(pacing_units(record_bytes), now);
}

void ShardPacer::keep_only(const ShardMap& shards) {
  std::erase_if(shards_, [&](const auto& known) { return !shards.has(known.first); });
}

size_t ShardPacer::limited_count() const {
  return static_cast<size_t>(std::count_if(
      shards_.begin(), shards_.end(), [](const auto& known) { return known.second.limited(); }));
}

const Pace* ShardPacer::pace(uint32_t shard) const {
  if (shard == kNoShard) return &stream_;
  const auto known = shards_.find(shard);
  return known == shards_.end() ? nullptr : &known->second;
}

}  // namespace penstock::kinesis
