#include "spool/spool_logs.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::spool {

std::vector<StreamQueue*> SpoolLogs::on_disk() const {
  std::vector<StreamQueue*> logs;
  for (const auto& log : all_) {
    if (log->files != nullptr && !log->use.removed) logs.push_back(log.get());
  }
  if (dead_letters_ != nullptr) logs.push_back(dead_letters_.get());
  return logs;
}

std::vector<StreamLog*> SpoolLogs::in_use() const {
  std::vector<StreamLog*> logs;
  for (const auto& log : all_) {
    if (log->is_overflow()) continue;
    const bool is_used =
        log->use.open || !log->holds_nothing() || !log->overflow_part.holds_nothing();
    if (is_used) logs.push_back(log.get());
  }
  return logs;
}

StreamQueue* SpoolLogs::open_log(std::string_view stream) const {
  for (const auto& log : all_) {
    if (log->use.open && log->stream() == stream) return log.get();
  }
  return nullptr;
}

void SpoolLogs::add(LogGroup logs) {
  CHECK(logs.main != nullptr);
  const StreamQueue::Use& use = logs.main->use;
  for (const auto& other : all_) {
    if (other->stream() != logs.main->stream()) continue;
    CHECK(other->use.generation <= use.generation);
    if (use.open) other->use.open = false;
  }
  for (auto& overflow : logs.overflow) {
    if (overflow) all_.push_back(std::move(overflow));
  }
  all_.push_back(std::move(logs.main));
}

uint64_t SpoolLogs::next_generation(std::string_view stream) const {
  uint64_t generation = 1;
  for (const auto& log : all_) {
    if (log->stream() == stream) generation = std::max(generation, log->use.generation + 1);
  }
  return generation;
}

StreamQueue* SpoolLogs::reopen(const std::string& stream, const std::string& target) {
  StreamQueue* newest = nullptr;
  for (const auto& log : all_) {
    if (log->stream() == stream && !log->use.removed && !log->is_overflow()) newest = log.get();
  }
  if (newest == nullptr || newest->log_settings.target() != target) return nullptr;
  CHECK(newest->use.open || open_log(stream) == nullptr);
  newest->use.open = true;
  newest->use.is_configured = true;
  return newest;
}

void SpoolLogs::keep(const std::vector<std::string>& configured) {
  for (const auto& log : all_) {
    log->use.is_configured =
        std::find(configured.begin(), configured.end(), log->stream()) != configured.end();
  }
}

}  // namespace penstock::spool
