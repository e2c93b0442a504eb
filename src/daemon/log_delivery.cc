#include "daemon/log_delivery.h"

#include <utility>

#include "base/log.h"
#include "daemon/translate.h"

namespace penstock::daemon {

LogDelivery::LogDelivery(spool::StreamLog& log, delivery::DeliveryThread& thread,
                         DeliveryParts parts)
    : log_(log), thread_(thread), parts_(parts), self_(std::make_shared<LogDelivery*>(this)) {}

LogDelivery::~LogDelivery() {
  if (const ShardWatch::Id watched = watched_.exchange(0)) parts_.shards.forget(watched);
  thread_.call([this] {
    *self_ = nullptr;
    sender_.reset();
    watched_port_.reset();
    port_.reset();
    if (timer_) thread_.loop().cancel_timer(*timer_);
  });
}

void LogDelivery::configure(const config::StreamOptions& settings, const config::AwsOptions& aws) {
  auto endpoint = kinesis::resolve_endpoint(make_endpoint_options(settings, aws));
  if (!endpoint) {
    log_error(sender_ ? "stream keeps its endpoint" : "stream has no endpoint",
              {{"stream", log_.stream()}, {"error", endpoint.error().message}});
    if (!sender_) settings_ = settings;
    return;
  }
  settings_ = settings;
  aws_ = aws;
  credentials_ = parts_.identities.of(settings_);
  watch_->set_endpoint(endpoint_name(*endpoint));
  thread_.call([&] {
    options_ = make_sender_options(settings_, parts_.memory.options().ordinary_bytes);
    if (!sender_) return start(*endpoint);
    port_->set_endpoint(*endpoint);
    port_->set_credentials(credentials_);
    sender_->reconfigure(options_in_force());
    sender_->pump();
  });
  watch_shards();
}

// Consumers made with the KCL drop an aggregate whose hash key does not belong to the shard that it
// is read from. Which shard that is nobody knows while the service chooses it.
delivery::SenderOptions LogDelivery::options_in_force() const {
  delivery::SenderOptions options = options_;
  if (keys_are_ignored_ && options.packer.aggregation == kinesis_format::Aggregation::kpl) {
    options.packer.aggregation = kinesis_format::Aggregation::none;
  }
  options.keys_are_ignored = keys_are_ignored_;
  return options;
}

// On the delivery thread.
void LogDelivery::start(const kinesis::Endpoint& endpoint) {
  net::HttpLoop& loop = thread_.loop();
  port_ = std::make_unique<delivery::HttpPutPort>(
      loop, delivery::HttpPutPort::Options{endpoint, {}}, credentials_, Clock::system());
  watched_port_ = std::make_unique<WatchedPort>(
      *port_, watch_, [receiver = self_](const kinesis::HashKey& hash_key, uint32_t shard) {
        if (*receiver != nullptr) (*receiver)->take_place(hash_key, shard);
      });
  delivery::SenderServices services{
      .spool = parts_.spool,
      .ledger = parts_.ledger,
      .memory = parts_.memory,
      .metrics = parts_.metrics,
      .port = *watched_port_,
      .clock = Clock::system(),
      .post = [&loop](std::function<void()> work) { loop.post(std::move(work)); },
      .wake_at =
          [this, &loop](SteadyTime when) {
            if (timer_) loop.cancel_timer(*timer_);
            timer_ = loop.call_at(when, [this] {
              timer_.reset();
              if (sender_) sender_->pump();
            });
          },
      .shards_changed =
          [this] {
            if (const ShardWatch::Id watched = watched_) parts_.shards.ask_soon(watched);
          },
  };
  sender_ = std::make_unique<delivery::StreamSender>(log_, options_in_force(), std::move(services));
  sender_->expect_shards(settings_.kind != config::StreamKind::firehose);
  sender_->pump();
}

// From now on the sender learns what the service says of the stream.
void LogDelivery::watch_shards() {
  if (const ShardWatch::Id watched = watched_.exchange(0)) parts_.shards.forget(watched);
  if (settings_.kind == config::StreamKind::firehose) return;  // has no shards
  auto control = kinesis::resolve_endpoint(make_endpoint_options(settings_, aws_),
                                           kinesis::Operation::control);
  if (!control) {  // the one for data would not be there either
    return thread_.call([this] {
      if (sender_) sender_->expect_shards(false);
    });
  }
  ShardTarget target;
  target.stream = log_.stream();
  // As PutRecords names it: emulators know names only.
  target.id = {settings_.name, settings_.endpoint.empty() ? settings_.arn : ""};
  target.control = std::move(*control);
  target.ca_bundle = aws_.ca_bundle;
  target.credentials = credentials_;
  watched_ = parts_.shards.watch(std::move(target),
                                 [&loop = thread_.loop(), receiver = self_](const ShardNews& info) {
                                   loop.post([receiver, info] {
                                     if (*receiver != nullptr) (*receiver)->take_shard_info(info);
                                   });
                                 });
}

// On the delivery thread.
void LogDelivery::take_shard_info(const ShardNews& info) {
  if (info.shards && info.shards->size() != shards_known_) {
    shards_known_ = info.shards->size();
    watch_->set_shards(shards_known_);
    log_info("shards are known", {{"stream", log_.stream()}, {"shards", shards_known_}});
  }
  if (info.shards) sender_->set_shards(info.shards);
  if (info.shards) placement_check_.set_shards(info.shards);
  const bool is_told = info.distribution != kinesis::RecordDistribution::unknown;
  if (is_told || info.denied) distribution_ = info.distribution;
  update_distribution();
  sender_->expect_shards(!info.failed);  // after a failure ask_soon() does nothing
  if (info.record_bytes_max > 0) sender_->limit_records(info.record_bytes_max);
  sender_->pump();
}

// On the delivery thread. Where the service may be asked, it decides.
void LogDelivery::take_place(const kinesis::HashKey& hash_key, uint32_t shard) {
  const bool before = placement_check_.are_keys_ignored();
  placement_check_.note(hash_key, shard);
  const bool are_ignored = placement_check_.are_keys_ignored();
  if (are_ignored == before || are_ignored == keys_are_ignored_) return;
  if (distribution_ == kinesis::RecordDistribution::unknown) {
    thread_.loop().post([receiver = self_] {
      if (*receiver == nullptr) return;
      (*receiver)->update_distribution();
      (*receiver)->sender_->pump();
    });
  } else if (const ShardWatch::Id watched = watched_) {
    parts_.shards.ask_soon(watched);
  }
}

void LogDelivery::update_distribution() {
  const bool are_ignored = distribution_ == kinesis::RecordDistribution::automatic ||
                           (distribution_ == kinesis::RecordDistribution::unknown &&
                            placement_check_.are_keys_ignored());
  watch_->set_keys_ignored(are_ignored, Clock::system().wall());
  if (std::exchange(keys_are_ignored_, are_ignored) != are_ignored) {
    sender_->reconfigure(options_in_force());
  }
}

void LogDelivery::check_credentials() {
  if (!credentials_) return;  // never begun
  auto now = credentials_->current();
  if (now == credentials_seen_) return;
  credentials_seen_ = std::move(now);
  thread_.loop().post([receiver = self_] {
    if (*receiver != nullptr && (*receiver)->sender_) (*receiver)->sender_->credentials_renewed();
  });
}

bool LogDelivery::is_done() {
  if (!log_.empty()) return false;
  bool is_idle = true;
  thread_.call([&] {
    if (sender_) is_idle = sender_->is_idle();
  });
  return is_idle;
}

bool LogDelivery::is_missing() {
  bool is_missing = true;
  thread_.call([&] {
    if (sender_) is_missing = sender_->is_missing();
  });
  return is_missing;
}

std::string LogDelivery::paused_because() {
  std::string reason;
  thread_.call([&] {
    if (sender_) reason = sender_->paused_because();
  });
  return reason;
}

}  // namespace penstock::daemon
