#include "record/ledger.h"

#include "base/check.h"

namespace penstock::record {
namespace {

using Counts = std::map<std::string, uint64_t, std::less<>>;

uint64_t& count_of(Counts& counts, std::string_view label) {
  const auto found = counts.find(label);
  if (found != counts.end()) return found->second;
  return counts.emplace(label, 0).first->second;
}

}  // namespace

void Ledger::receive(std::string_view source, std::span<const Admitted> parts) {
  const std::lock_guard lock(mutex_);
  uint64_t all = 0;
  for (const Admitted& part : parts) {
    count_of(counts_.pending, part.stream) += part.events;
    all += part.events;
  }
  count_of(counts_.received, source) += all;
}

void Ledger::leave_pending(std::string_view stream, uint64_t events) {
  uint64_t& pending = count_of(counts_.pending, stream);
  CHECK(pending >= events);
  pending -= events;
}

void Ledger::deliver(std::string_view stream, uint64_t events) {
  const std::lock_guard lock(mutex_);
  leave_pending(stream, events);
  count_of(counts_.delivered, stream) += events;
}

void Ledger::dead_letter(std::string_view stream, std::string_view reason, uint64_t events) {
  const std::lock_guard lock(mutex_);
  leave_pending(stream, events);
  counts_.dead_lettered[{std::string(stream), std::string(reason)}] += events;
}

void Ledger::drop(std::string_view stream, std::string_view reason, uint64_t events) {
  const std::lock_guard lock(mutex_);
  leave_pending(stream, events);
  count_of(counts_.dropped, reason) += events;
}

void Ledger::duplicate(std::string_view stream, std::string_view source, uint64_t events) {
  const std::lock_guard lock(mutex_);
  leave_pending(stream, events);
  count_of(counts_.duplicate, source) += events;
}

Ledger::Snapshot Ledger::snapshot() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void Ledger::announce_source(std::string_view source) {
  const std::lock_guard lock(mutex_);
  count_of(counts_.received, source);
  count_of(counts_.duplicate, source);
}

void Ledger::announce_stream(std::string_view stream) {
  const std::lock_guard lock(mutex_);
  count_of(counts_.pending, stream);
  count_of(counts_.delivered, stream);
}

}  // namespace penstock::record
