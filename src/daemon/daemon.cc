#include "daemon/daemon.h"

#include <unistd.h>

#include <algorithm>
#include <numeric>

#include "base/log.h"
#include "config/diff.h"
#include "config/loader.h"
#include "daemon/access.h"
#include "daemon/cpu_limit.h"
#include "daemon/sources.h"
#include "daemon/translate.h"
#include "memory/shortage.h"

namespace penstock::daemon {
namespace {

// One io thread and one delivery thread keep a 2-core machine busy; more cores, more of both.
size_t threads_of_a_kind(size_t max) { return std::clamp<size_t>(usable_cpus() / 2, 1, max); }

MemoryNeeds needs_of(const config::Config& config) {
  MemoryNeeds needs;
  needs.memory_limit = config.memory_limit;
  needs.message_bytes_max = 0;
  const auto largest = [&](uint64_t bytes) {
    needs.message_bytes_max = std::max(needs.message_bytes_max, bytes);
  };
  for (const auto& source : config.forward) largest(source.max_message);
  for (const auto& source : config.http) largest(source.max_body);
  for (const auto& source : config.syslog) largest(source.max_message);
  needs.has_directory = !config.spool.directory.empty();
  return needs;
}

}  // namespace

Daemon::Daemon(config::Config config, Load load, std::string commit)
    : config_(std::move(config)),
      load_(std::move(load)),
      message_bytes_max_(needs_of(config_).message_bytes_max),
      memory_plan_(plan_memory(needs_of(config_))),
      trimmer_(config_.memory_limit) {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  process_.host = host;
  process_.version = PENSTOCK_VERSION;
  process_.commit = std::move(commit);
  process_.config_file = config_.file;
  process_.started = Clock::system().wall();
  process_.memory_limit = config_.memory_limit;
}

Daemon::~Daemon() {
  if (!closed_) (void)close();
}

Result<std::unique_ptr<Daemon>, Error> Daemon::start(config::Config config, Load load,
                                                     std::string commit) {
  std::unique_ptr<Daemon> daemon(new Daemon(std::move(config), std::move(load), std::move(commit)));
  // First: a certificate that changes while the spool is opened is told.
  daemon->file_watch_ = std::make_unique<config::FileWatch>(
      config::watched_files(daemon->config_),
      [d = daemon.get()](const std::vector<std::string>&) { d->files_changed_ = true; });
  daemon->intake_memory_ = std::make_unique<memory::MemoryBudget>(
      memory::MemoryBudget::Options{.ordinary_bytes = daemon->memory_plan_.ordinary,
                                    .large_bytes = daemon->memory_plan_.large,
                                    .small_bytes = daemon->memory_plan_.small,
                                    .reserve_bytes = daemon->memory_plan_.reserve});
  daemon->delivery_memory_ = std::make_unique<memory::MemoryBudget>(
      memory::MemoryBudget::Options{.ordinary_bytes = daemon->memory_plan_.delivery});
  daemon->status_ = std::make_unique<StatusBoard>();
  if (auto done = daemon->open_spool(); !done) return failure(done.error());
  if (auto done = daemon->open_sources(); !done) return failure(done.error());
  if (auto done = daemon->open_admin(); !done) return failure(done.error());
  if (auto done = daemon->open_streams(); !done) return failure(done.error());
  daemon->watch_health();
  daemon->io_threads_->start();
  for (auto& source : daemon->sources_) source->start();
  daemon->tick();
  daemon->health_.started();
  log_info("threads", {{"cpus", usable_cpus()},
                       {"io", daemon->io_threads_->all().size()},
                       {"delivery", daemon->delivery_threads_.size()}});
  return daemon;
}

Result<void, Error> Daemon::open_spool() {
  auto opened = spool::Spool::open(
      make_spool_options(config_, memory_plan_.ordinary, memory_plan_.spool_cache), ledger_,
      *intake_memory_);
  if (!opened) return failure(opened.error());
  spool_ = std::move(*opened);
  if (!config_.spool.directory.empty()) {
    volume_watch_ = std::make_unique<VolumeWatch>(config_.spool.directory);
  }
  for (const config::StreamOptions& stream : config_.streams) {
    ledger_.announce_stream(stream.key);
    auto log = spool_->open_stream(make_log_options(stream));
    if (!log) return failure(log.error());
  }
  return {};
}

Result<void, Error> Daemon::open_streams() {
  identities_ = std::make_unique<Identities>(config_);
  shard_watch_ =
      std::make_unique<ShardWatch>([](const ShardTarget& target) { return ask_service(target); });
  const size_t threads =
      std::min(threads_of_a_kind(4), std::max<size_t>(config_.streams.size(), 1));
  for (size_t i = 0; i < threads; ++i) {
    delivery_threads_.push_back(std::make_unique<delivery::DeliveryThread>(
        net::HttpOptions{.ca_bundle = config_.aws.ca_bundle}));
  }
  update_deliveries();
  return {};
}

// A delivery for each stream that is configured or still has something stored.
void Daemon::update_deliveries() {
  std::map<std::string, std::vector<spool::StreamLog*>> logs;
  for (spool::StreamLog* log : spool_->logs()) logs[log->stream()].push_back(log);
  for (const auto& [stream, its_logs] : logs) {
    auto& delivery = deliveries_[stream];
    if (!delivery) {
      delivery = std::make_unique<StreamDelivery>(
          stream, *delivery_threads_[deliveries_.size() % delivery_threads_.size()],
          DeliveryParts{*spool_, ledger_, *delivery_memory_, metrics_, *identities_,
                        *shard_watch_});
    }
    const auto configured =
        std::find_if(config_.streams.begin(), config_.streams.end(),
                     [&](const config::StreamOptions& options) { return options.key == stream; });
    delivery->update(its_logs, configured == config_.streams.end() ? nullptr : &*configured,
                     config_.aws);
  }
}

Result<void, Error> Daemon::open_sources() {
  io_threads_ = std::make_unique<net::IoThreads>(threads_of_a_kind(8));
  auto router = make_router(config_);
  if (!router) return failure(router.error());
  router_ = std::make_unique<ingest::RouterSlot>(std::move(*router));
  spool_->on_replay([slot = router_.get()](record::Batch batch) {
    return ingest::append_of(slot->get()->route(std::move(batch)));
  });
  const ingest::Stages stages{*intake_memory_, *spool_, metrics_};
  auto configured = configured_sources(config_, token_review_);
  if (!configured) return failure(configured.error());
  for (const ConfiguredSource& each : *configured) {
    auto source = each.open(*io_threads_, stages, *router_);
    if (!source) return failure(source.error());
    sources_.push_back(std::move(*source));
  }
  for (const auto& source : sources_) ledger_.announce_source(source->name());
  return {};
}

Result<void, Error> Daemon::open_admin() {
  admin::ServerOptions options{.listen = config_.admin_listen, .version = PENSTOCK_VERSION};
  if (config_.admin_secure) {
    auto settings = make_secure_settings(*config_.admin_secure, token_review_);
    if (!settings) return failure(settings.error());
    options.secure = {config_.admin_secure->listen, std::move(*settings)};
  }
  auto server = admin::Server::start(
      std::move(options),
      {.health = health_, .ledger = ledger_, .metrics = metrics_, .status = *status_});
  if (!server) return failure(server.error());
  admin_ = std::move(*server);
  return {};
}

void Daemon::watch_health() {
  size_t number = 0;
  for (const auto& thread : io_threads_->all()) {
    health_.watch_thread("io-" + std::to_string(number++),
                         [t = thread.get()] { return t->last_turn(); });
  }
  number = 0;
  for (const auto& thread : delivery_threads_) {
    health_.watch_thread("delivery-" + std::to_string(number++),
                         [t = thread.get()] { return t->loop().last_turn(); });
  }
  health_.watch_thread("spool", [this] { return spool_->last_turn(); });
  health_.watch_pressure([this] { return spool_->pushing_back_since(); });
  health_.watch_pressure([this]() -> std::optional<SteadyTime> {
    const auto since = memory_short_since_.load();
    if (since == 0) return std::nullopt;
    return SteadyTime(SteadyTime::duration(since));
  });
}

void Daemon::tick() {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (!memory::is_short(*intake_memory_)) {
    memory_short_since_ = 0;
  } else if (memory_short_since_ == 0) {
    memory_short_since_ = now.time_since_epoch().count();
  }
  health_.look();
  for (auto delivery = deliveries_.begin(); delivery != deliveries_.end();) {
    delivery = delivery->second->advance() ? deliveries_.erase(delivery) : std::next(delivery);
  }
  identities_->drop_unused();
  if (files_changed_.exchange(false)) reload();
  pin_status(now);
  trimmer_.tick(events_received());
}

void Daemon::announce_drain() {
  file_watch_.reset();
  health_.draining();
}

void Daemon::stop_accepting() {
  for (auto& source : sources_) source->stop_accepting();
}

void Daemon::half_close() {
  for (auto& source : sources_) source->half_close();
}

void Daemon::close_connections() {
  for (auto& source : sources_) source->close();
}

void Daemon::stop_sources() {
  if (sources_stopped_) return;
  sources_stopped_ = true;
  // Sessions that wait for room are cut off here: what they hold was not admitted, not acked.
  health_.unwatch_all();
  io_threads_->stop();
  for (auto& source : sources_) source->release_listeners();
  if (token_review_) token_review_->stop();
}

bool Daemon::close() {
  closed_ = true;
  file_watch_.reset();
  health_.unwatch_all();
  if (io_threads_) stop_sources();
  deliveries_.clear();
  shard_watch_.reset();
  for (auto& thread : delivery_threads_) thread->stop();
  if (spool_) spool_->close();
  if (admin_) admin_->stop();
  io_threads_.reset();
  return !config_.spool.directory.empty();
}

size_t Daemon::connections() const {
  return std::accumulate(
      sources_.begin(), sources_.end(), size_t{0},
      [](size_t sum, const auto& source) { return sum + source->connections(); });
}

uint64_t Daemon::events_received() const {
  uint64_t received = 0;
  for (const auto& [source, events] : ledger_.snapshot().received) received += events;
  return received;
}

uint64_t Daemon::events_pending() const {
  uint64_t pending = 0;
  for (const auto& [stream, events] : ledger_.snapshot().pending) pending += events;
  return pending;
}

bool Daemon::may_deliver() const {
  const auto pending = ledger_.snapshot().pending;
  return std::any_of(deliveries_.begin(), deliveries_.end(), [&](const auto& entry) {
    const auto found = pending.find(entry.first);
    if (found == pending.end() || found->second == 0) return false;
    return entry.second->may_deliver(Clock::system().steady());
  });
}

}  // namespace penstock::daemon
