// AckedEvents: what was acked (the ledger of `penstock send`, doc/ledger.md), held against what is
// read back from the streams: gaps, repeats, disorder, latency. Pure except load().
//
// Thread: one.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace penstock::cli {

// The id a stored event is known by: its penstock_id, else the hash of its bytes.
[[nodiscard]] std::string id_of_stored(ByteView event);

class AckedEvents {
 public:
  // Adds the lines of a file. A last line without a line feed is one the sender was killed in: it
  // is passed over. Any other line that is no entry is an error.
  [[nodiscard]] Result<void, Error> load(const std::string& path);
  [[nodiscard]] Result<void, Error> add_lines(std::string_view text, const std::string& name);

  // An event as read; place: shard (and stream) it was read from; arrival_ms: 0 when unknown.
  void found(std::string_view id, std::string_view place, int64_t arrival_ms);

  struct Gap {
    std::string id;
    std::string tag;
    uint64_t sequence = 0;
    int64_t acked_ns = 0;
    uint64_t missing = 0;  // how many of the equal events with this id
  };
  struct Report {
    uint64_t acked = 0;
    uint64_t found = 0;  // of the acked
    uint64_t missing = 0;
    uint64_t repeated = 0;    // read more often than acked
    uint64_t foreign = 0;     // read, and in no ledger
    uint64_t disordered = 0;  // came behind a later event of its run and tag in its shard
    std::vector<Gap> gaps;    // in order of sending; at most gaps_max
    // From sent to arrival in the stream, in ms; with no measured event: 0 of them.
    uint64_t measured = 0;
    int64_t latency_ms_p50 = 0, latency_ms_p99 = 0, latency_ms_max = 0;
  };
  [[nodiscard]] Report report(size_t gaps_max) const;

 private:
  struct Event {
    uint32_t tag = 0;  // in tags_
    uint32_t acked = 0;
    uint32_t found = 0;
    uint64_t sequence = 0;
    int64_t sent_ns = 0;
    int64_t acked_ns = 0;
  };
  [[nodiscard]] bool add_line(std::string_view line);
  [[nodiscard]] uint32_t tag_number(std::string_view tag);

  std::unordered_map<std::string, Event> events_;
  std::vector<std::string> tags_;
  std::map<std::string, uint32_t, std::less<>> tag_numbers_;
  std::map<std::string, uint64_t> latest_;  // place, run and tag: the sequence seen last
  std::vector<int64_t> latencies_ms_;
  uint64_t foreign_ = 0;
  uint64_t disordered_ = 0;
};

}  // namespace penstock::cli
