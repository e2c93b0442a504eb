#include "spool/spool_shares.h"

#include <algorithm>
#include <bit>

namespace penstock::spool {
namespace {

constexpr uint64_t kSegmentBytesMin = 64 << 10;
constexpr uint64_t kSegmentBytesMax = 64 << 20;
// So that giving back a segment at a time gives back little of a share at a time.
constexpr uint64_t kSegmentsPerShare = 8;
// Of overflow logs they are smaller: all of them together have as much begun as a main log.
constexpr uint64_t kOverflowSegmentParts = kOverflowLogs;
constexpr uint64_t kOverflowSegmentBytesMin = 32 << 10;
constexpr uint64_t kReserveParts = 4;  // at most a quarter of a share

uint64_t overflow_segment_bytes_in(uint64_t segment_bytes) {
  return std::max(segment_bytes / kOverflowSegmentParts, kOverflowSegmentBytesMin);
}

}  // namespace

uint64_t SpoolShares::bytes_held() const {
  uint64_t bytes = fixed_bytes_;
  for (const auto& log : logs_.all()) bytes += log->reservation.held();
  return bytes;
}

uint64_t SpoolShares::bytes_of(std::string_view stream) const {
  uint64_t bytes = 0;
  for (const auto& log : logs_.all()) {
    if (log->stream() == stream) bytes += log->reservation.planned();
  }
  return bytes;
}

uint64_t SpoolShares::bytes_of_all() const {
  uint64_t bytes = fixed_bytes_;
  for (const auto& log : logs_.all()) bytes += log->reservation.planned();
  return bytes;
}

uint64_t SpoolShares::share_of(std::string_view stream) const {
  uint64_t given = fixed_bytes_;
  uint64_t without = 0;
  for (const auto& log : logs_.all()) {
    if (!log->use.open) continue;
    const bool is_it = log->stream() == stream;
    if (!log->use.is_configured && !is_it && log->holds_nothing()) continue;
    const uint64_t bytes_max = log->log_settings.bytes_max();
    if (is_it && bytes_max > 0) return bytes_max;
    given += bytes_max;
    if (bytes_max == 0) ++without;
  }
  if (without == 0 || given >= options_.bytes_max) return 0;
  return (options_.bytes_max - given) / without;
}

// A main segment is freed when the last of its events has moved to an overflow log, where they take
// more room than they did: twice that, and a segment that each overflow log has begun.
uint64_t SpoolShares::overflow_reserve_of(std::string_view stream) const {
  if (options_.directory.empty()) return 0;
  const uint64_t share = share_of(stream);
  const uint64_t segment = segment_bytes_in(share);
  return std::min(2 * segment + kOverflowLogs * overflow_segment_bytes_in(segment),
                  share / kReserveParts);
}

uint64_t SpoolShares::cache_share() const {
  uint64_t logs = 0;
  for (const auto& log : logs_.all()) {
    if (log->use.open) ++logs;
  }
  return options_.cache_bytes_max / std::max<uint64_t>(logs, 1);
}

uint64_t SpoolShares::read_share() const {
  uint64_t logs = 0;
  for (const auto& log : logs_.all()) {
    const bool in_use = !log->is_overflow() || !log->segments.all().empty();
    if (log->files != nullptr && !log->use.removed && in_use) ++logs;
  }
  return options_.read_bytes_max / std::max<uint64_t>(logs, 1);
}

uint64_t SpoolShares::segment_bytes_in(uint64_t share) const {
  if (segment_bytes_ > 0) return segment_bytes_;
  return std::clamp(std::bit_floor(std::max<uint64_t>(share / kSegmentsPerShare, 1)),
                    kSegmentBytesMin, kSegmentBytesMax);
}

void SpoolShares::share_out() const {
  for (const auto& log : logs_.all()) {
    const uint64_t bytes = segment_bytes_in(share_of(log->stream()));
    log->reservation.set_segment_bytes(log->is_overflow() ? overflow_segment_bytes_in(bytes)
                                                          : bytes);
  }
  if (StreamQueue* const letters = logs_.dead_letters()) {
    letters->reservation.set_segment_bytes(segment_bytes_in(options_.dead_letter_bytes_max));
  }
}

}  // namespace penstock::spool
