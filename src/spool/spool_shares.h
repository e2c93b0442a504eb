// SpoolShares: what each log may have of the spool's disk and memory.
//
// Thread: SpoolState's lock guards it.
#pragma once

#include <cstdint>
#include <string_view>

#include "spool/spool_logs.h"

namespace penstock::spool {

class SpoolShares {
 public:
  // options may change afterwards. segment_bytes: of every segment; 0: by the share of the stream.
  SpoolShares(const SpoolLogs& logs, const SpoolOptions& options, uint64_t segment_bytes)
      : logs_(logs), options_(options), segment_bytes_(segment_bytes) {}

  // ---- disk, or payload in memory

  // Of files that belong to no log.
  void set_fixed_bytes(uint64_t bytes) { fixed_bytes_ = bytes; }
  // All files there are, without dead letters.
  [[nodiscard]] uint64_t bytes_held() const;
  // Planned, of one stream and of all of them.
  [[nodiscard]] uint64_t bytes_of(std::string_view stream) const;
  [[nodiscard]] uint64_t bytes_of_all() const;
  // What a stream was given, else an equal share of what the others were not given.
  [[nodiscard]] uint64_t share_of(std::string_view stream) const;
  // What new messages leave of the share to the overflow log.
  [[nodiscard]] uint64_t overflow_reserve_of(std::string_view stream) const;
  // The sizes of segments, after shares have changed.
  void share_out() const;

  // ---- memory, of one log

  // Of fresh batches.
  [[nodiscard]] uint64_t cache_share() const;
  // Of what may be read from disk and held.
  [[nodiscard]] uint64_t read_share() const;

 private:
  [[nodiscard]] uint64_t segment_bytes_in(uint64_t share) const;

  const SpoolLogs& logs_;
  const SpoolOptions& options_;
  const uint64_t segment_bytes_;
  uint64_t fixed_bytes_ = 0;
};

}  // namespace penstock::spool
