#include "spool/stream_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "spool/spool_core.h"

namespace penstock::spool {

std::optional<Entry> StreamQueue::read() {
  const std::lock_guard lock(core_.mutex_);
  if (ready_.empty()) {
    reader_waits_ = true;
    return std::nullopt;
  }
  ReadyEntry ready = std::move(ready_.front());
  ready_.pop_front();
  in_flight_.emplace(ready.position,
                     EntryInFlight{ready.bytes, ready.batch->event_count, ready.events_final,
                                   ready.batch->received_ns, ready.chunk_key});
  return Entry{ready.position, std::move(ready.batch), ready.events_final};
}

void StreamQueue::take_over(const StreamOptions& options) {
  options_.bytes_max = options.bytes_max;
  if (options.settings == *settings_) return;
  settings_ = &later_settings_.emplace_back(options.settings);
}

void StreamQueue::on_readable(std::function<void()> wake) {
  {
    const std::lock_guard lock(wake_mutex_);
    wake_ = std::move(wake);
  }
  Calls calls;
  {
    const std::lock_guard lock(core_.mutex_);
    if (!ready_.empty()) wake_reader(calls);
  }
  for (const auto& call : calls) call();
}

void StreamQueue::wake_reader(Calls& calls) {
  if (!reader_waits_) return;
  reader_waits_ = false;
  calls.emplace_back([this] {
    const std::lock_guard lock(wake_mutex_);
    if (wake_) wake_();
  });
}

void StreamQueue::release(Position position) { core_.release(*this, position); }

void StreamQueue::progress(Position position, uint32_t events) {
  const std::lock_guard lock(core_.mutex_);
  const auto entry = in_flight_.find(position);
  if (entry == in_flight_.end()) return;
  entry->second.events_final =
      std::max(entry->second.events_final, std::min(events, entry->second.event_count));
}

bool StreamQueue::empty() const {
  const std::lock_guard lock(core_.mutex_);
  return ready_.empty() && in_flight_.empty() && !core_.append_waits_for(*this);
}

int64_t StreamQueue::oldest_received_ns() const {
  if (!in_flight_.empty()) return in_flight_.begin()->second.received_ns;
  return ready_.empty() ? 0 : ready_.front().batch->received_ns;
}

}  // namespace penstock::spool
