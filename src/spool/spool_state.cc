#include "spool/spool_state.h"

#include <algorithm>
#include <random>

#include "base/log.h"

namespace penstock::spool {

uint64_t Salts::make() {
  if (seed_ == 0) {
    std::random_device device;
    return (uint64_t{device()} << 32) ^ device();
  }
  const uint64_t number = ++made_;
  return checksum64({reinterpret_cast<const uint8_t*>(&number), sizeof number}, seed_);
}

void SpoolState::note_pressure() {
  const bool broken = std::any_of(logs.all().begin(), logs.all().end(), [](const auto& queue) {
    return queue->writes.retry_at.has_value();
  });
  if (waiting.appends.empty() && !broken) {
    health.pushing_back_since.reset();
  } else if (!health.pushing_back_since) {
    health.pushing_back_since = clock.steady();
  }
}

std::optional<SteadyTime> SpoolState::unsynced_since() const {
  constexpr seconds kUsual{1};  // every entry waits for its sync
  std::optional<SteadyTime> oldest;
  for (const StreamQueue* const queue : logs.on_disk()) {
    std::optional<SteadyTime> its;
    if (queue->writes.in_round > 0) its = queue->writes.round_admitted;
    if (!its) its = oldest_admitted(queue->writes.unsynced);
    if (its && (!oldest || *its < *oldest)) oldest = its;
  }
  if (oldest && clock.steady() - *oldest < kUsual) oldest.reset();
  return oldest;
}

void SpoolState::note_error(std::string what) {
  log_limited(LogLevel::error, "spool/disk", what);
  health.last_error = std::move(what);
}

}  // namespace penstock::spool
