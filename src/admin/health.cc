#include "admin/health.h"

#include <algorithm>

namespace penstock::admin {

void Readiness::observe(SteadyTime now, std::optional<SteadyTime> since) {
  if (since) {
    last_pushed_back_ = now;
    if (now - *since >= kPatience) ready_ = false;
  } else if (!ready_ && last_pushed_back_ && now - *last_pushed_back_ >= kPatience) {
    ready_ = true;
  }
}

void Health::watch_thread(std::string name, LastTurn last_turn) {
  const std::lock_guard lock(mutex_);
  threads_.push_back({std::move(name), std::move(last_turn)});
}

void Health::watch_pressure(PushingBackSince since) {
  const std::lock_guard lock(mutex_);
  pressures_.push_back(std::move(since));
}

void Health::unwatch_all() {
  const std::lock_guard lock(mutex_);
  threads_.clear();
  pressures_.clear();
}

void Health::started() {
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::starting) phase_ = Phase::running;
}

void Health::draining() {
  const std::lock_guard lock(mutex_);
  phase_ = Phase::draining;
}

void Health::look() {
  const std::lock_guard lock(mutex_);
  look_locked();
}

void Health::look_locked() {
  std::optional<SteadyTime> earliest;
  for (const PushingBackSince& pressure : pressures_) {
    const std::optional<SteadyTime> since = pressure();
    if (since && (!earliest || *since < *earliest)) earliest = since;
  }
  readiness_.observe(clock_.steady(), earliest);
}

Health::Answer Health::healthz() {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = clock_.steady();
  for (const Thread& thread : threads_) {
    const auto silent = now - thread.last_turn();
    if (silent >= kThreadSilenceMax) {
      const auto whole = std::chrono::duration_cast<seconds>(silent).count();
      return {false, "thread " + thread.name + " has not run for " + std::to_string(whole) + " s"};
    }
  }
  return {true, "ok"};
}

Health::Answer Health::readyz() {
  const std::lock_guard lock(mutex_);
  look_locked();
  if (phase_ == Phase::starting) return {false, "starting"};
  if (phase_ == Phase::draining) return {false, "draining"};
  if (!readiness_.ready())
    return {false, "pushing back: no room for more, or the disk does not answer"};
  return {true, "ok"};
}

}  // namespace penstock::admin
