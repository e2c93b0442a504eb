// The signals a daemon lives by, waited for on its main thread.
#pragma once

#include <csignal>
#include <cstdint>

#include "base/clock.h"

namespace penstock::daemon {

enum class Signal : uint8_t { none, terminate, interrupt, reload };

// Blocks them in this thread and those made after. Make it before any thread. main() has blocked
// them before (main.cc); what came in meanwhile waits.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set_, number);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);  // a closed connection is an error of the write
  }

  // The next one, or none after `time`.
  [[nodiscard]] Signal wait(milliseconds time) const {
    const timespec limit{time.count() / 1000, static_cast<long>(time.count() % 1000) * 1'000'000};
    switch (sigtimedwait(&set_, nullptr, &limit)) {
      case SIGTERM:
        return Signal::terminate;
      case SIGINT:
        return Signal::interrupt;
      case SIGHUP:
        return Signal::reload;
      default:
        return Signal::none;
    }
  }

 private:
  sigset_t set_{};
};

}  // namespace penstock::daemon
