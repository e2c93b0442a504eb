#include "daemon/stream_delivery.h"

#include "base/log.h"
#include "daemon/translate.h"

namespace penstock::daemon {

StreamDelivery::StreamDelivery(std::string stream, delivery::DeliveryThread& thread,
                               DeliveryParts parts)
    : stream_(std::move(stream)), thread_(thread), parts_(parts) {}

StreamDelivery::~StreamDelivery() { end_sender(); }

void StreamDelivery::end_sender() {
  if (const ShardWatch::Id watched = watched_.exchange(0)) parts_.shards.forget(watched);
  thread_.call([this] {
    if (for_news_) *for_news_ = nullptr;
    for_news_.reset();
    sender_.reset();
    watched_port_.reset();
    port_.reset();
    if (timer_) thread_.loop().cancel_timer(*timer_);
    timer_.reset();
  });
  sending_ = nullptr;
}

void StreamDelivery::update(const std::vector<spool::StreamLog*>& logs,
                            const config::StreamOptions* current, const config::AwsOptions& aws) {
  logs_ = logs;
  current_ = current == nullptr ? std::nullopt : std::optional(*current);
  aws_ = aws;
  if (logs_.empty()) return;
  // A sender that has begun goes on; it only learns of new settings when it is the current one's.
  if (sending_ == nullptr) {
    begin(*logs_.front());
  } else if (sending_ == logs_.back() && current_) {
    settings_ = *current_;
    auto endpoint = kinesis::resolve_endpoint(make_endpoint_options(settings_, aws_));
    if (!endpoint) {
      log_error("stream keeps its endpoint",
                {{"stream", stream_}, {"error", endpoint.error().message}});
      return;
    }
    credentials_ = parts_.identities.of(settings_);
    watch_->set_endpoint(endpoint_name(*endpoint));
    thread_.call([&] {
      port_->set_endpoint(*endpoint);
      port_->set_credentials(credentials_);
      sender_->reconfigure(make_sender_options(settings_, parts_.memory.options().ordinary_bytes));
      sender_->pump();
    });
    watch_shards();
  }
}

// From now on the sender is told what the service says of the stream.
void StreamDelivery::watch_shards() {
  if (const ShardWatch::Id watched = watched_.exchange(0)) parts_.shards.forget(watched);
  if (settings_.kind == config::StreamKind::firehose) return;  // has no shards
  auto control = kinesis::resolve_endpoint(make_endpoint_options(settings_, aws_),
                                           kinesis::Operation::control);
  if (!control) return;  // the one for data would not be there either
  ShardTarget target;
  target.stream = stream_;
  // As PutRecords names it: emulators know names only.
  target.id = {settings_.name, settings_.endpoint.empty() ? settings_.arn : ""};
  target.control = std::move(*control);
  target.ca_bundle = aws_.ca_bundle;
  target.credentials = credentials_;
  watched_ = parts_.shards.watch(
      std::move(target), [&loop = thread_.loop(), receiver = for_news_](const ShardNews& news) {
        loop.post([receiver, news] {
          if (*receiver != nullptr) (*receiver)->take_news(news);
        });
      });
}

// On the delivery thread.
void StreamDelivery::take_news(const ShardNews& news) {
  if (news.shards && news.shards->size() != shards_known_) {
    shards_known_ = news.shards->size();
    watch_->set_shards(shards_known_);
    log_info("shards are known", {{"stream", stream_}, {"shards", shards_known_}});
  }
  if (news.shards) sender_->set_shards(news.shards);
  if (news.record_bytes_max > 0) sender_->limit_records(news.record_bytes_max);
  sender_->pump();
}

void StreamDelivery::begin(spool::StreamLog& log) {
  const bool is_current = current_ && &log == logs_.back();
  if (is_current) {
    settings_ = *current_;
  } else {
    auto read = read_settings_text(log.settings());
    if (!read) {
      log_error("what is stored for a former stream cannot be delivered",
                {{"stream", stream_}, {"error", read.error().message}});
      return;
    }
    settings_ = std::move(*read);
    log_info("delivering what is stored for a former target first",
             {{"stream", stream_}, {"target", target_name(settings_)}});
  }
  auto endpoint = kinesis::resolve_endpoint(make_endpoint_options(settings_, aws_));
  if (!endpoint) {
    log_error("stream has no endpoint", {{"stream", stream_}, {"error", endpoint.error().message}});
    return;
  }
  sending_ = &log;
  credentials_ = parts_.identities.of(settings_);
  watch_->set_endpoint(endpoint_name(*endpoint));
  thread_.call([&] {
    net::HttpLoop& loop = thread_.loop();
    port_ = std::make_unique<delivery::HttpPutPort>(
        loop, delivery::HttpPutPort::Options{*endpoint, {}}, credentials_, Clock::system());
    watched_port_ = std::make_unique<WatchedPort>(*port_, watch_);
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
    for_news_ = std::make_shared<StreamDelivery*>(this);
    sender_ = std::make_unique<delivery::Sender>(
        log, make_sender_options(settings_, parts_.memory.options().ordinary_bytes),
        std::move(services));
    sender_->pump();
  });
  watch_shards();
}

// A stream that was refused for want of credentials need not wait any longer.
void StreamDelivery::look_at_credentials() {
  auto now = credentials_->current();
  if (now == credentials_seen_) return;
  credentials_seen_ = std::move(now);
  thread_.loop().post([receiver = for_news_] {
    if (*receiver != nullptr) (*receiver)->sender_->credentials_renewed();
  });
}

bool StreamDelivery::advance() {
  if (sending_ == nullptr) return logs_.empty();
  look_at_credentials();
  if (!sending_->empty()) return false;
  const bool is_last = sending_ == logs_.back();
  if (is_last) return !current_;
  bool is_idle = false;
  thread_.call([&] { is_idle = sender_->idle(); });
  if (!is_idle) return false;
  end_sender();
  logs_.erase(logs_.begin());
  begin(*logs_.front());
  return false;
}

std::string StreamDelivery::held_because() {
  std::string reason;
  if (sending_ != nullptr) thread_.call([&] { reason = sender_->held_because(); });
  return reason;
}

}  // namespace penstock::daemon
