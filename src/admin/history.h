// History: the figures of the last quarter of an hour and of the last six hours, so that who opens
// the status page after an incident sees it. About 25 KB, whatever happens.
//
// Thread: one, the admin's.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "metrics/counter.h"
#include "metrics/exposition.h"

namespace penstock::admin {

class History {
 public:
  static constexpr seconds kShortInterval{5};
  static constexpr size_t kShortCount = 180;
  static constexpr size_t kLongEvery = 12;  // short samples in a long one
  static constexpr size_t kLongCount = 360;

  struct Sample {
    uint32_t time = 0;  // Unix seconds, of the end
    float in = 0;       // events a second
    float out = 0;
    float pending = 0;  // events
    float age = 0;      // seconds, of the oldest
    float share = 0;    // of the fullest stream, 0 to 1
    float p50 = 0;      // seconds, of the requests answered meanwhile
    float p99 = 0;
    float failed = 0;     // requests
    float throttled = 0;  // records
  };

  // Takes a sample when it is due.
  void look(const metrics::Scrape& scrape, SteadyTime now);

  // Oldest first.
  [[nodiscard]] std::vector<Sample> recent() const { return in_order(short_, short_count_); }
  [[nodiscard]] std::vector<Sample> hours() const { return in_order(long_, long_count_); }
  // The body of GET /api/history.
  [[nodiscard]] std::string json() const;

 private:
  // What only grows, at the last sample.
  struct Totals {
    uint64_t in = 0;
    uint64_t out = 0;
    uint64_t failed = 0;
    uint64_t throttled = 0;
    metrics::Histogram::Snapshot latency;
  };
  template <size_t N>
  static std::vector<Sample> in_order(const std::array<Sample, N>& ring, size_t count);
  [[nodiscard]] static Totals totals_of(const metrics::Scrape& scrape);
  void add(Sample sample);
  [[nodiscard]] Sample merged() const;

  std::array<Sample, kShortCount> short_;
  std::array<Sample, kLongCount> long_;
  size_t short_count_ = 0;  // ever
  size_t long_count_ = 0;
  bool begun_ = false;
  SteadyTime last_{};
  Totals before_;
};

}  // namespace penstock::admin
