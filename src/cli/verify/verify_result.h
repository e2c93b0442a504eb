// What `penstock verify` found, and how it says so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/verify/acked_events.h"

namespace penstock::cli {

struct VerifyResult {
  struct Source {
    std::string kind;  // stream or archive
    std::string name;
    uint64_t events = 0;
    uint64_t objects = 0;  // of an archive
    uint64_t damaged = 0;  // of these
  };
  std::vector<Source> sources;
  AckedEvents::Report counts;
  AckedEvents::Differences differences;
  uint64_t dropped_by_kcl = 0;  // sub-records that KCL consumers would drop; of streams
  uint32_t passes = 1;          // over the archive; with more than one disorder is not measured

  // Every acked event is there, and every consumer gets it.
  [[nodiscard]] bool is_good() const;
};

// Onto stdout. The exit code.
[[nodiscard]] int print_text(const VerifyResult& result);
[[nodiscard]] std::string json_text(const VerifyResult& result);

}  // namespace penstock::cli
