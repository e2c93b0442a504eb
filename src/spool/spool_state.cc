#include "spool/spool_state.h"

#include <algorithm>
#include <bit>
#include <random>

#include "base/log.h"

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

uint64_t random64() {
  std::random_device device;
  return (uint64_t{device()} << 32) ^ device();
}

}  // namespace

SpoolState::SpoolState(SpoolOptions spool_options, SpoolInternals spool_internals,
                       record::Ledger& spool_ledger, memory::MemoryBudget& budget,
                       const Clock& spool_clock, FileSystem& files)
    : options(std::move(spool_options)),
      internals(spool_internals),
      ledger(spool_ledger),
      memory(budget),
      clock(spool_clock),
      file_system(files),
      chunks(options.repeats_max, nanoseconds(options.repeat_window).count()) {
  next_key = {1, make_salt()};
}

// Salts need not be secret, only unlike: no payload was written knowing them.
uint64_t SpoolState::make_salt() {
  if (internals.salt_seed == 0) return random64();
  const uint64_t number = ++salts_made_;
  return checksum64({reinterpret_cast<const uint8_t*>(&number), sizeof number},
                    internals.salt_seed);
}

StreamQueue* SpoolState::open_queue(std::string_view stream) const {
  for (const auto& queue : queues) {
    if (queue->open && queue->stream() == stream) return queue.get();
  }
  return nullptr;
}

uint64_t SpoolState::bytes_of(std::string_view stream) const {
  uint64_t bytes = 0;
  for (const auto& queue : queues) {
    if (queue->stream() == stream) bytes += queue->held_bytes + queue->planned_files;
  }
  return bytes;
}

uint64_t SpoolState::bytes_of_all() const {
  uint64_t bytes = fixed_bytes;
  for (const auto& queue : queues) bytes += queue->held_bytes + queue->planned_files;
  return bytes;
}

uint64_t SpoolState::share_of(std::string_view stream) const {
  uint64_t given = fixed_bytes;
  uint64_t without = 0;
  for (const auto& queue : queues) {
    if (!queue->open) continue;
    const bool has_share =
        queue->is_configured || queue->stream() == stream || !queue->holds_nothing();
    if (!has_share) continue;
    if (queue->stream() == stream && queue->options.bytes_max > 0) return queue->options.bytes_max;
    given += queue->options.bytes_max;
    if (queue->options.bytes_max == 0) ++without;
  }
  if (without == 0 || given >= options.bytes_max) return 0;
  return (options.bytes_max - given) / without;
}

// A main segment is freed when the last of its events has moved to an overflow log, where they take
// more room than they did: twice that, and a segment that each overflow log has begun.
uint64_t SpoolState::overflow_reserve_of(std::string_view stream) const {
  if (!on_disk()) return 0;
  const uint64_t share = share_of(stream);
  const uint64_t segment = segment_bytes_in(share);
  return std::min(2 * segment + kOverflowLogs * overflow_segment_bytes_in(segment),
                  share / kReserveParts);
}

uint64_t SpoolState::overflow_segment_bytes_in(uint64_t segment_bytes) {
  return std::max(segment_bytes / kOverflowSegmentParts, kOverflowSegmentBytesMin);
}

uint64_t SpoolState::cache_share() const {
  uint64_t logs = 0;
  for (const auto& queue : queues) {
    if (queue->open) ++logs;
  }
  return options.cache_bytes_max / std::max<uint64_t>(logs, 1);
}

uint64_t SpoolState::read_share() const {
  uint64_t logs = 0;
  for (const auto& queue : queues) {
    const bool in_use = !queue->is_overflow() || !queue->segments.empty();
    if (queue->files != nullptr && !queue->removed && in_use) ++logs;
  }
  return options.read_bytes_max / std::max<uint64_t>(logs, 1);
}

uint64_t SpoolState::segment_bytes_in(uint64_t share) const {
  if (internals.segment_bytes > 0) return internals.segment_bytes;
  return std::clamp(std::bit_floor(std::max<uint64_t>(share / kSegmentsPerShare, 1)),
                    kSegmentBytesMin, kSegmentBytesMax);
}

void SpoolState::share_out() {
  for (const auto& queue : queues) {
    queue->segment_bytes = segment_bytes_in(share_of(queue->stream()));
    if (queue->is_overflow())
      queue->segment_bytes = overflow_segment_bytes_in(queue->segment_bytes);
  }
  if (dead_letters != nullptr) {
    dead_letters->segment_bytes = segment_bytes_in(options.dead_letter_bytes_max);
  }
}

void SpoolState::note_pressure() {
  const bool broken = std::any_of(queues.begin(), queues.end(),
                                  [](const auto& queue) { return queue->retry_at.has_value(); });
  if (waiting.empty() && !broken) {
    pushing_back_since.reset();
  } else if (!pushing_back_since) {
    pushing_back_since = clock.steady();
  }
}

std::optional<SteadyTime> SpoolState::unsynced_since() const {
  constexpr seconds kUsual{1};  // every entry waits for its sync
  std::optional<SteadyTime> oldest;
  const auto consider = [&](const StreamQueue& queue) {
    std::optional<SteadyTime> its;
    if (queue.in_round > 0) its = queue.round_admitted;
    if (!its) its = oldest_admitted(queue.unsynced);
    if (its && (!oldest || *its < *oldest)) oldest = its;
  };
  for (const auto& queue : queues) consider(*queue);
  if (dead_letters != nullptr) consider(*dead_letters);
  if (oldest && clock.steady() - *oldest < kUsual) oldest.reset();
  return oldest;
}

void SpoolState::note_error(std::string what) {
  log_limited(LogLevel::error, "spool/disk", what);
  last_error = std::move(what);
}

}  // namespace penstock::spool
