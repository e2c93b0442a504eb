// Taking up a changed configuration while running. See daemon.h.
#include <algorithm>

#include "base/log.h"
#include "config/diff.h"
#include "config/loader.h"
#include "daemon/access.h"
#include "daemon/daemon.h"
#include "daemon/sources.h"
#include "daemon/translate.h"

namespace penstock::daemon {
namespace {

// Memory is shared out at the start: what is larger than any message then waits for a restart.
template <class Source>
void hold_back(const std::vector<Source>& running, std::vector<Source>& wanted,
               uint64_t Source::*limit, std::string_view key, uint64_t bytes_max) {
  for (const Source& now : running) {
    const Source* then = config::counterpart(now, running, wanted);
    if (then == nullptr || then->*limit <= bytes_max) continue;
    log_warn(
        "change needs a restart and is left out",
        {{"key", "sources." + now.name + "." + std::string(key)}, {"largest_without", bytes_max}});
    wanted[static_cast<size_t>(then - wanted.data())].*limit = now.*limit;
  }
}

}  // namespace

void Daemon::reload() {
  // Who sees the reload counted finds what it changed in the status.
  const auto count = [this](std::string_view result) {
    next_status_ = {};
    pin_status(Clock::system().steady());
    metrics_.config_reloads.with(result).add();
  };
  const auto fail = [&](const std::string& why) {
    errors_.note("configuration", why);
    process_.reload_error = why;
    count("failed");
    log_error("reload changes nothing", {{"error", why}});
  };
  // What is written from here on is told again; what is there now is read once.
  if (file_watch_) file_watch_->expect_read();
  files_changed_ = false;
  const WallTime read_at = Clock::system().wall();
  auto wanted = load_();
  if (!wanted) return fail(wanted.error().message);
  hold_back(config_.forward, wanted->forward, &config::ForwardOptions::max_message, "max_message",
            message_bytes_max_);
  hold_back(config_.http, wanted->http, &config::HttpOptions::max_body, "max_body",
            message_bytes_max_);
  hold_back(config_.syslog, wanted->syslog, &config::SyslogOptions::max_message, "max_message",
            message_bytes_max_);
  const auto changes = config::diff(config_, *wanted);
  for (const config::Change& change : changes) {
    if (change.needs_restart) {
      log_warn("change needs a restart and is left out", {{"key", change.key}});
    } else {
      log_info("change taken up", {{"key", change.key}});
    }
  }
  if (auto applied = apply(config::applicable(config_, std::move(*wanted))); !applied) {
    return fail(applied.error().message);
  }
  process_.reload_error.clear();
  process_.last_reload = read_at;
  count("ok");
  log_info("reloaded", {{"changes", changes.size()}});
}

// Everything that can fail is made first; from the first assignment on nothing does.
Result<void, Error> Daemon::apply(config::Config config) {
  auto router = make_router(config);
  if (!router) return failure(router.error());
  auto configured = configured_sources(config, token_review_);
  if (!configured) return failure(configured.error());
  std::optional<admin::SecureSettings> secure;
  if (config.admin_secure) {
    auto made = make_secure_settings(*config.admin_secure, token_review_);
    if (!made) return failure(made.error());
    secure = std::move(*made);
  }
  for (const config::StreamOptions& stream : config.streams) {
    auto log = spool_->open_stream(make_log_options(stream));
    if (!log) return failure(log.error());
    ledger_.announce_stream(stream.key);
  }

  config_ = std::move(config);
  std::vector<std::string> streams;
  for (const config::StreamOptions& stream : config_.streams) streams.push_back(stream.key);
  spool_->keep_streams(streams);
  spool_->reconfigure(make_spool_options(config_, memory_plan_.ordinary, memory_plan_.spool_cache));
  router_->set(std::move(*router));
  for (ConfiguredSource& wanted : *configured) {
    const auto running = std::find_if(sources_.begin(), sources_.end(), [&](const auto& source) {
      return source->name() == wanted.name;
    });
    if (running == sources_.end()) continue;  // a new one waits for a restart
    (*running)->reconfigure(std::move(wanted.settings), wanted.connections_max);
  }
  if (secure) admin_->reconfigure(std::move(*secure));
  identities_->reconfigure(config_);
  update_deliveries();
  if (file_watch_) file_watch_->watch(config::watched_files(config_));
  return {};
}

}  // namespace penstock::daemon
