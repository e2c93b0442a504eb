#include "daemon/run.h"

#include <sys/resource.h>

#include <algorithm>

#include "base/log.h"
#include "config/loader.h"
#include "daemon/daemon.h"
#include "daemon/drain.h"
#include "daemon/memory_plan.h"
#include "daemon/signals.h"
#include "net/http_transfer.h"

namespace penstock::daemon {
namespace {
constexpr milliseconds kTick{200};

// Service managers and shells leave 1024 by default and allow more to who asks: what connections
// take must not be missing for segments, requests and the admin port.
void raise_open_files_limit() {
  constexpr rlim_t kEnough = 1 << 18;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, kEnough));
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int run_daemon(const RunOptions& options) {
  tune_allocator();
  raise_open_files_limit();
  const Signals signals;
  const config::Environment environment = config::Environment::of_process();
  auto loaded = config::load(options.config_file, environment);
  if (!loaded) {
    for (const config::Problem& problem : loaded.error()) {
      const bool warning = problem.severity == config::Severity::warning;
      warning ? log_warn(to_string(problem)) : log_error(to_string(problem));
    }
    return 2;
  }
  for (const config::Problem& problem : loaded->warnings) log_warn(to_string(problem));
  const auto load = [file = options.config_file, environment]() -> Result<config::Config, Error> {
    auto again = config::load(file, environment);
    if (again) return std::move(again->config);
    std::string all;
    for (const config::Problem& problem : again.error()) {
      if (problem.severity == config::Severity::warning) continue;
      all += (all.empty() ? "" : "; ") + to_string(problem);
    }
    return usage_error(all);
  };
  net::initialise_libcurl();
  auto started = Daemon::start(std::move(loaded->config), load);
  if (!started) {
    log_error(started.error().message);
    return started.error().kind == Error::Kind::usage ? 2 : 1;
  }
  Daemon& daemon = **started;
  log_info("ready", {{"version", PENSTOCK_VERSION}});
  for (;;) {
    switch (signals.wait(kTick)) {
      case Signal::none:
        daemon.tick();
        break;
      case Signal::reload:
        daemon.reload();
        break;
      case Signal::terminate:
        return drain(daemon, signals, false);
      case Signal::interrupt:
        return drain(daemon, signals, true);
    }
  }
}

}  // namespace penstock::daemon
