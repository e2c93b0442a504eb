// Trend: how fast events come in and go out, how fast the backlog grows, and what was counted a
// moment ago: from one look a second at the counters.
//
// Thread: one, the admin's.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "metrics/exposition.h"

namespace penstock::admin {

struct Rates {
  double in = 0;            // events a second
  double out = 0;           // the same; of a source 0
  double bytes_growth = 0;  // bytes a second in the spool
  double age_growth = 0;    // seconds a second: above 0 it falls behind
};

// A counter that went up.
struct Recent {
  uint64_t count = 0;  // since `since`
  WallTime since{};
};

class Trend {
 public:
  static constexpr seconds kRateWindow{10};
  static constexpr seconds kGrowthWindow{60};

  void look(const metrics::Scrape& scrape, SteadyTime now);

  [[nodiscard]] Rates stream(const std::string& name) const;
  [[nodiscard]] Rates source(const std::string& name) const;
  [[nodiscard]] Rates all() const { return rates_of(all_); }

  // By how much a counter went up since it began to; nullopt when it did not for `quiet`. Keys are
  // those of counters().
  [[nodiscard]] std::optional<Recent> recent(const std::string& key, seconds quiet) const;
  // The counters that are watched: "dead_lettered/STREAM/REASON", "dropped/REASON",
  // "rejected/SOURCE/REASON".
  struct Watched {
    uint64_t value = 0;
    uint64_t value_before = 0;  // when it began to go up
    SteadyTime last_increase{};
    WallTime since{};
    bool active = false;
  };
  [[nodiscard]] const std::map<std::string, Watched>& counters() const { return counters_; }

 private:
  struct Point {
    SteadyTime at{};
    uint64_t in = 0;
    uint64_t out = 0;
    double bytes = 0;
    double age = 0;
  };
  // The last minute and a bit.
  struct Series {
    static constexpr size_t kPoints = 64;
    std::array<Point, kPoints> points;
    size_t count = 0;  // ever
    SteadyTime looked{};
    [[nodiscard]] const Point& back(size_t age) const {
      return points[(count - 1 - age) % kPoints];
    }
  };

  static void add(Series& series, Point point);
  [[nodiscard]] static Rates rates_of(const Series& series);
  // From the first step to the latest one of the last `far` points: a segment's whole room is
  // reserved when it is begun, so one step says nothing about the pace. Small steps beside large
  // ones (checkpoints) do not count.
  [[nodiscard]] static double growth_of(const Series& series, size_t far);
  void watch(const std::string& key, uint64_t value, const metrics::Scrape& scrape, SteadyTime now);
  void watch_counters(const metrics::Scrape& scrape, SteadyTime now);

  std::map<std::string, Series> streams_;
  std::map<std::string, Series> sources_;
  Series all_;
  std::map<std::string, Watched> counters_;
};

}  // namespace penstock::admin
