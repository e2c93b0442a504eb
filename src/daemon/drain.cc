#include "daemon/drain.h"

#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/log.h"

namespace penstock::daemon {
namespace {

constexpr seconds kAcceptTime{5};  // endpoints and load balancers learn that we are not ready
constexpr seconds kLeaveTime{5};   // for peers to answer our half-close
constexpr milliseconds kStep{50};
constexpr seconds kCloseTime{1};  // kept back for the last sync
constexpr seconds kDiskTime{3};   // beyond drain_timeout, for a disk that is slow but answers

class Waits {
 public:
  Waits(Daemon& daemon, const Signals& signals, bool hurry)
      : daemon_(daemon), signals_(signals), hurry_(hurry) {}

  // Until done() or `until`; an impatient signal ends it when it may be skipped.
  template <class Done>
  void until(SteadyTime end, bool may_be_skipped, Done done) {
    while (!done() && std::chrono::steady_clock::now() < end) {
      if (may_be_skipped && hurry_) return;
      const Signal signal = signals_.wait(kStep);
      if (signal == Signal::terminate || signal == Signal::interrupt) {
        if (asked_again_) abandoned_ = true;
        hurry_ = asked_again_ = true;
        log_info(
            "second signal to stop: waiting no longer for senders, nor for streams that accept "
            "nothing");
      }
      if (abandoned_) return;
      daemon_.tick();
    }
  }
  [[nodiscard]] bool hurry() const { return hurry_; }
  [[nodiscard]] bool asked_again() const { return asked_again_; }

 private:
  Daemon& daemon_;
  const Signals& signals_;
  bool hurry_;
  bool asked_again_ = false;
  bool abandoned_ = false;  // a third signal: keep what is on disk and go
};

// Ends the process when closing takes longer than drain_timeout allows: a thread that waits for a
// disk cannot be told to stop.
class LastResort {
 public:
  explicit LastResort(SteadyTime end) : thread_([this, end] { wait_until(end); }) {}
  ~LastResort() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  LastResort(const LastResort&) = delete;
  LastResort& operator=(const LastResort&) = delete;

 private:
  void wait_until(SteadyTime end) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_until(lock, end, [this] { return closed_; })) return;
    log_error(
        "stopped at the end of drain_timeout while the disk does not answer: what was not synced "
        "was not acknowledged; check the disk");
    ::_exit(1);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace

int drain(Daemon& daemon, const Signals& signals, bool hurry) {
  const SteadyTime began = std::chrono::steady_clock::now();
  const auto timeout = daemon.config().drain_timeout;
  const SteadyTime end = began + timeout - std::min<milliseconds>(kCloseTime, timeout / 10);
  const SteadyTime read_end = began + timeout / 2;
  const LastResort last_resort(began + timeout + kDiskTime);
  Waits wait(daemon, signals, hurry);

  log_info("draining", {{"connections", daemon.connections()},
                        {"events_pending", daemon.events_pending()},
                        {"timeout_s", std::chrono::duration_cast<seconds>(timeout).count()}});
  daemon.announce_drain();
  wait.until(std::min(began + kAcceptTime, read_end), true, [] { return false; });
  daemon.stop_accepting();
  const auto no_connections = [&] { return daemon.connections() == 0; };
  wait.until(read_end, true, no_connections);

  daemon.half_close();
  // Peers that wait for acks of deliveries are worth waiting for; others get a moment to leave.
  const SteadyTime leave_end =
      std::chrono::steady_clock::now() + (wait.hurry() ? kLeaveTime / 5 : kLeaveTime);
  const bool acks_may_come = daemon.config().ack == config::AckMode::delivered;
  wait.until(end, false, [&] {
    const bool is_owed = acks_may_come && daemon.events_pending() > 0;
    return no_connections() || (!is_owed && std::chrono::steady_clock::now() >= leave_end);
  });
  daemon.close_connections();
  daemon.stop_sources();

  // A stream that accepts nothing is not worth a hurried wait; what is on disk is delivered later.
  const bool is_on_disk = !daemon.config().spool.directory.empty();
  wait.until(end, false, [&] {
    if (daemon.events_pending() == 0) return true;
    const bool gives_up = wait.asked_again() || (wait.hurry() && is_on_disk);
    return gives_up && !daemon.may_deliver();
  });
  const uint64_t left = daemon.events_pending();
  const bool is_kept = daemon.close();
  if (left == 0) {
    log_info("drained");
    return 0;
  }
  if (is_kept) {
    log_info("stopped; what is left is on disk and is delivered after the next start",
             {{"events_pending", left}});
    return 0;
  }
  log_error("stopped with events left over: without spool.directory they are lost",
            {{"events_pending", left}});
  return 1;
}

}  // namespace penstock::daemon
