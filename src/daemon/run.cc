#include "daemon/run.h"

#include <sys/resource.h>

#include <algorithm>

#include "base/log.h"
#include "config/loader.h"
#include "daemon/daemon.h"
#include "daemon/drain.h"
#include "daemon/memory_plan.h"
#include "daemon/preflight.h"
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

void log_problem(const config::Problem& problem) {
  const bool is_warning = problem.severity == config::Severity::warning;
  is_warning ? log_warn(to_string(problem)) : log_error(to_string(problem));
}

// What loading finds and what the values make; warnings are logged. The error: all that is wrong.
Result<config::Config, std::vector<config::Problem>> load_checked(
    const std::string& file, const config::Environment& environment) {
  auto loaded = config::load(file, environment);
  if (!loaded) return failure(std::move(loaded.error()));
  auto problems = check_settings(loaded->config, environment);
  if (config::has_error(problems)) return failure(std::move(problems));
  for (const config::Problem& problem : loaded->warnings) log_warn(to_string(problem));
  return std::move(loaded->config);
}

// What came in before there is anything to drain. True: the process is to end.
bool is_stopped_early(const Signals& signals, bool& reload_wanted) {
  for (;;) {
    switch (signals.wait(milliseconds(0))) {
      case Signal::none:
        return false;
      case Signal::reload:
        reload_wanted = true;
        break;
      case Signal::terminate:
      case Signal::interrupt:
        log_info("stopped before it started");
        return true;
    }
  }
}

}  // namespace

int run_daemon(const RunOptions& options) {
  const Signals signals;
  tune_allocator();
  raise_open_files_limit();
  const config::Environment environment = config::Environment::of_process();
  auto config = load_checked(options.config_file, environment);
  if (!config) {
    for (const config::Problem& problem : config.error()) log_problem(problem);
    return 2;
  }
  const auto load = [file = options.config_file, environment]() -> Result<config::Config, Error> {
    auto again = load_checked(file, environment);
    if (again) return std::move(*again);
    std::string all;
    for (const config::Problem& problem : again.error()) {
      if (problem.severity == config::Severity::warning) continue;
      all += (all.empty() ? "" : "; ") + to_string(problem);
    }
    return usage_error(all);
  };
  bool reload_wanted = false;
  if (is_stopped_early(signals, reload_wanted)) return 0;
  net::initialise_libcurl();
  auto started = Daemon::start(std::move(*config), load, options.commit);
  if (!started) {
    log_error(started.error().message);
    return started.error().kind == Error::Kind::usage ? 2 : 1;
  }
  Daemon& daemon = **started;
  log_info("ready", {{"version", PENSTOCK_VERSION}});
  if (reload_wanted) daemon.reload();
  for (;;) {
    switch (signals.wait(kTick)) {
      case Signal::none:
        daemon.tick();
        break;
      case Signal::reload:
        daemon.reload();
        daemon.tick();  // reloads that follow each other leave no time without one
        break;
      case Signal::terminate:
        return drain(daemon, signals, false);
      case Signal::interrupt:
        return drain(daemon, signals, true);
    }
  }
}

}  // namespace penstock::daemon
