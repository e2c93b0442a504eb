#include "spool/in_flight_entries.h"

#include <utility>

#include "base/check.h"

namespace penstock::spool {

void InFlightEntries::add(const ReadyEntry& entry) {
  const EntryInFlight taken{entry.bytes,         entry.number,
                            entry.events_left(), entry.batch->received_ns,
                            entry.chunk,         entry.is_fresh};
  CHECK(entries_.emplace(entry.position, taken).second);
  if (entry.is_fresh) fresh_bytes_ += entry.bytes;
  if (!entry.is_large) return;
  CHECK(!large_);
  large_ = entry;
  large_->batch = without_storage(*entry.batch);
}

EntryInFlight InFlightEntries::release(Position position) {
  const auto entry = entries_.find(position);
  CHECK(entry != entries_.end());
  const EntryInFlight released = entry->second;
  if (released.was_fresh) fresh_bytes_ -= released.bytes;
  if (is_large(position)) forget_large();
  entries_.erase(entry);
  return released;
}

ReadyEntry InFlightEntries::give_back(Position position) {
  CHECK(is_large(position));
  entries_.erase(position);
  return forget_large();
}

ReadyEntry InFlightEntries::forget_large() {
  CHECK(reload_.batch == nullptr);
  reload_ = {};
  return *std::exchange(large_, std::nullopt);
}

bool InFlightEntries::want_reload(Position position) {
  CHECK(is_large(position));
  return !std::exchange(reload_.is_wanted, true);
}

const ReadyEntry* InFlightEntries::wanted_reload() const {
  const bool is_wanted = reload_.is_wanted && !reload_.is_lost && reload_.batch == nullptr;
  return is_wanted ? &*large_ : nullptr;
}

void InFlightEntries::reloaded(std::shared_ptr<const record::Batch> batch) {
  CHECK(wanted_reload() != nullptr);
  reload_.is_lost = batch == nullptr;
  reload_.batch = std::move(batch);
}

std::shared_ptr<const record::Batch> InFlightEntries::take_reloaded() {
  if (reload_.batch != nullptr) reload_.is_wanted = false;
  return std::exchange(reload_.batch, nullptr);
}

const EntryInFlight& InFlightEntries::at(Position position) const {
  const auto entry = entries_.find(position);
  CHECK(entry != entries_.end());
  return entry->second;
}

bool InFlightEntries::any_of_segment(uint64_t number) const {
  const auto entry = entries_.lower_bound(Position{number, 0});
  return entry != entries_.end() && entry->first.segment == number;
}

}  // namespace penstock::spool
