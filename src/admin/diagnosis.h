// What is wrong, in words: for the banner of the status page, its list of problems, `penstock top`
// and the log, so that all of them say the same. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "admin/health.h"
#include "admin/trend.h"
#include "metrics/exposition.h"

namespace penstock::admin {

enum class Level : uint8_t {
  good,     // logs flow
  idle,     // there are none
  warning,  // logs flow, or wait, and somebody should look
  bad,      // logs do not flow, or are lost
};
[[nodiscard]] const char* to_string(Level level);

// One thing that is wrong. kind and subject together name it for as long as it lasts.
struct Finding {
  std::string kind;     // not_delivering, falling_behind, senders_wait, …
  std::string subject;  // the stream's or the source's name; empty: the process
  Level level = Level::warning;
  std::string text;               // what happens and what is safe, one or two sentences
  std::string cure;               // what to do, one sentence
  std::string command;            // to be copied; empty: none
  std::string solved;             // what the log says when it is over; the duration is added
  std::optional<WallTime> since;  // where known; else when it was first seen
  uint64_t count = 0;             // where counted
  std::string cause;              // of not_delivering: streams that share it share a banner
  uint64_t pending = 0;           // of not_delivering: the stream's events
  double size = 0;                // how bad: the largest is remembered (seconds behind)
};

struct Banner {
  Level level = Level::good;
  std::string text;
};

// A stream as a table shows it.
struct StreamView {
  std::string state;  // "delivering", "paused: stream not found", "slowed: 2 of 4 shards"
  Level level = Level::good;
  Rates rates;
  double behind_seconds = 0;
  std::optional<double> full_in_seconds;  // at the present pace; nullopt: it does not fill up
};

struct Diagnosis {
  Banner banner;
  std::vector<Finding> findings;    // the worst first
  std::vector<StreamView> streams;  // as in the status
};

struct Observation {
  const metrics::Scrape& scrape;
  const Trend& trend;
  const Health::Answer& healthz;
  const Health::Answer& readyz;
};

[[nodiscard]] Diagnosis diagnose(const Observation& seen);

// "bad_key" as people say it.
[[nodiscard]] std::string plain_reason(const std::string& reason);

}  // namespace penstock::admin
