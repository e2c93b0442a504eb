#include "daemon/stream_delivery.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "daemon/translate.h"

namespace penstock::daemon {

StreamDelivery::StreamDelivery(std::string stream, delivery::DeliveryThread& thread,
                               DeliveryParts parts)
    : stream_(std::move(stream)), thread_(thread), parts_(parts) {}

bool StreamDelivery::is_current(const spool::StreamLog& log) const {
  return current_ && !logs_.empty() && &log == logs_.back();
}

LogDelivery* StreamDelivery::delivery_of(const spool::StreamLog& log) {
  const auto found = std::find_if(deliveries_.begin(), deliveries_.end(),
                                  [&](const auto& delivery) { return &delivery->log() == &log; });
  return found == deliveries_.end() ? nullptr : found->get();
}

void StreamDelivery::update(const std::vector<spool::StreamLog*>& logs,
                            const config::StreamOptions* current, const config::AwsOptions& aws) {
  logs_ = logs;
  current_ = current == nullptr ? std::nullopt : std::optional(*current);
  aws_ = aws;
  if (current_) settings_ = *current_;
  // Deliveries to former targets go on as they began.
  if (!logs_.empty() && is_current(*logs_.back())) {
    if (LogDelivery* const delivery = delivery_of(*logs_.back())) {
      delivery->configure(*current_, aws_);
    }
  }
  (void)advance();
}

void StreamDelivery::end_done() {
  std::erase_if(deliveries_, [this](const auto& delivery) {
    return !is_current(delivery->log()) && delivery->is_done();
  });
  std::erase_if(logs_, [this](const spool::StreamLog* log) {
    return !is_current(*log) && log->empty() && delivery_of(*log) == nullptr;
  });
}

LogDelivery& StreamDelivery::begin(spool::StreamLog& log) {
  CHECK(delivery_of(log) == nullptr);
  LogDelivery& delivery =
      *deliveries_.emplace_back(std::make_unique<LogDelivery>(log, thread_, parts_));
  if (is_current(log)) {
    delivery.configure(*current_, aws_);
    return delivery;
  }
  auto settings = read_settings_text(log.settings());
  if (!settings) {
    log_error("what is stored for a former target cannot be delivered",
              {{"stream", stream_}, {"error", settings.error().message}});
    return delivery;
  }
  log_info("delivering what is stored for a former target first",
           {{"stream", stream_}, {"target", target_name(*settings)}});
  if (!current_) settings_ = *settings;
  delivery.configure(*settings, aws_);
  return delivery;
}

bool StreamDelivery::advance() {
  end_done();
  for (const auto& delivery : deliveries_) delivery->check_credentials();
  for (spool::StreamLog* const log : logs_) {
    LogDelivery* delivery = delivery_of(*log);
    if (delivery == nullptr) delivery = &begin(*log);
    if (log == logs_.back() || !delivery->is_missing()) break;
  }
  return logs_.empty() && deliveries_.empty() && !current_;
}

metrics::DeliveryStatus StreamDelivery::status(SteadyTime now) const {
  return deliveries_.empty() ? metrics::DeliveryStatus() : deliveries_.back()->status(now);
}

bool StreamDelivery::may_deliver(SteadyTime now) const {
  return std::any_of(deliveries_.begin(), deliveries_.end(), [&](const auto& delivery) {
    return !delivery->log().empty() && delivery->paused_because().empty() &&
           !delivery->status(now).failing_since;
  });
}

metrics::CredentialsStatus StreamDelivery::credentials_status() const {
  return deliveries_.empty() ? metrics::CredentialsStatus()
                             : deliveries_.back()->credentials_status();
}

std::string StreamDelivery::paused_because() {
  std::string reasons;
  for (const auto& delivery : deliveries_) {
    const std::string reason = delivery->paused_because();
    if (reason.empty()) continue;
    if (!reasons.empty()) reasons += "; ";
    if (!is_current(delivery->log())) {
      reasons += "former target " + target_name(delivery->settings()) + ": ";
    }
    reasons += reason;
  }
  return reasons;
}

}  // namespace penstock::daemon
