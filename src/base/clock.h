// Steady and wall time behind one small interface, so that tests turn the hands themselves.
#pragma once

#include <chrono>
#include <cstdint>

namespace penstock {

using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// Thread: any.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual SteadyTime steady() const = 0;
  [[nodiscard]] virtual WallTime wall() const = 0;

  // The real one.
  static const Clock& system();
};

class ManualClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime steady() const override { return SteadyTime(now_); }
  [[nodiscard]] WallTime wall() const override {
    return WallTime(std::chrono::duration_cast<WallTime::duration>(wall_origin_ + now_));
  }
  void advance(nanoseconds by) { now_ += by; }
  void set_wall(WallTime time) { wall_origin_ = time.time_since_epoch() - now_; }

 private:
  nanoseconds now_{std::chrono::hours(1)};
  nanoseconds wall_origin_{std::chrono::hours(24 * 365 * 56)};
};

namespace detail {
class SystemClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] WallTime wall() const override { return std::chrono::system_clock::now(); }
};
}  // namespace detail

inline const Clock& Clock::system() {
  static const detail::SystemClock clock;
  return clock;
}

// Nanoseconds since 1970-01-01T00:00:00Z.
[[nodiscard]] inline int64_t unix_nanoseconds(WallTime time) {
  return std::chrono::duration_cast<nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace penstock
