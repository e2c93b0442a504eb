// Taking up a changed configuration while running. See daemon.h.
#include "base/log.h"
#include "config/diff.h"
#include "config/loader.h"
#include "daemon/daemon.h"
#include "daemon/translate.h"

namespace penstock::daemon {

void Daemon::reload() {
  const auto fail = [this](const std::string& why) {
    metrics_.config_reloads.with("failed").add();
    errors_.note("configuration", why);
    log_error("reload changes nothing", {{"error", why}});
  };
  auto wanted = load_();
  if (!wanted) return fail(wanted.error().message);
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
  metrics_.config_reloads.with("ok").add();
  log_info("reloaded", {{"changes", changes.size()}});
}

// Everything that can fail is made first; from the first assignment on nothing does.
Result<void, Error> Daemon::apply(config::Config config) {
  auto router = make_router(config);
  if (!router) return failure(router.error());
  std::vector<ingest::ForwardSettings> forward;
  for (const config::ForwardOptions& options : config.forward) {
    auto settings = make_forward_settings(options);
    if (!settings) return failure(settings.error());
    forward.push_back(std::move(*settings));
  }
  for (const config::StreamOptions& stream : config.streams) {
    auto log = spool_->open_stream(make_log_options(stream));
    if (!log) return failure(log.error());
    ledger_.announce_stream(stream.key);
  }

  config_ = std::move(config);
  spool_->reconfigure(make_spool_options(config_, memory_plan_.ordinary, memory_plan_.spool_cache));
  router_->set(std::move(*router));
  for (size_t i = 0; i < config_.forward.size(); ++i) {
    for (auto& source : sources_) {
      auto* const target = dynamic_cast<ingest::ForwardSource*>(source.get());
      if (target != nullptr && target->name() == config_.forward[i].name) {
        target->reconfigure(std::move(forward[i]), config_.forward[i].max_connections);
      }
    }
  }
  credentials_->reconfigure(config_);
  update_deliveries();
  if (file_watch_) file_watch_->watch(config::watched_files(config_));
  return {};
}

}  // namespace penstock::daemon
