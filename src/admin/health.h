// The answers of /healthz and /readyz.
//
//   healthz  bad only when a thread of ours has not gone round its loop for 30 s: a restart would
//            help. Outages, throttles, refused credentials, a disk that is full or does not answer
//            are none of its business.
//   readyz   bad while starting, while draining, and after 5 s of pushing back without pause (no
//            room, or acks that the disk keeps waiting); good again after 5 s without.
//
// Thread: Health is for any; Readiness has none of its own.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace penstock::admin {

// Pushing back, with its memory: pure, told the time.
class Readiness {
 public:
  static constexpr seconds kPatience{5};

  // since: from when on senders have waited without pause; nullopt: they do not wait.
  void observe(SteadyTime now, std::optional<SteadyTime> since);
  [[nodiscard]] bool ready() const { return ready_; }

 private:
  bool ready_ = true;
  std::optional<SteadyTime> last_pushed_back_;
};

class Health {
 public:
  static constexpr seconds kThreadSilenceMax{30};

  struct Answer {
    bool good;
    std::string text;  // "ok", or why not
  };
  using LastTurn = std::function<SteadyTime()>;
  using PushingBackSince = std::function<std::optional<SteadyTime>()>;

  explicit Health(const Clock& clock = Clock::system()) : clock_(clock) {}

  // last_turn: when the thread last went round its loop. Both kinds of functions are called with
  // the lock held, by any thread, until unwatch_all().
  void watch_thread(std::string name, LastTurn last_turn);
  // Several places may push back (memory, a stream's share of the spool): one that does is enough.
  void watch_pressure(PushingBackSince since);
  // Before what the functions look at goes away.
  void unwatch_all();

  void started();
  void draining();

  // To be called about every second; answers are only as fresh as the last call, or their own look.
  void look();

  [[nodiscard]] Answer healthz();
  [[nodiscard]] Answer readyz();

 private:
  enum class Phase { starting, running, draining };
  struct Thread {
    std::string name;
    LastTurn last_turn;
  };

  void look_locked();

  const Clock& clock_;
  std::mutex mutex_;
  Phase phase_ = Phase::starting;
  std::vector<Thread> threads_;
  std::vector<PushingBackSince> pressures_;
  Readiness readiness_;
};

}  // namespace penstock::admin
