#include "ingest/forward_source.h"

#include "base/log.h"

namespace penstock::ingest {

ForwardSource::ForwardSource(net::IoThreads& threads, Options options, Stages stages,
                             const RouterSlot& router, ForwardSettings settings)
    : options_(std::move(options)),
      intake_(options_.name, stages, router),
      sessions_(threads),
      settings_(std::make_shared<const ForwardSettings>(std::move(settings))) {}

Result<std::unique_ptr<ForwardSource>, Error> ForwardSource::open(net::IoThreads& threads,
                                                                  Options options, Stages stages,
                                                                  const RouterSlot& router,
                                                                  ForwardSettings settings) {
  std::unique_ptr<ForwardSource> made(
      new ForwardSource(threads, std::move(options), stages, router, std::move(settings)));
  ForwardSource& source = *made;
  auto listener = net::Listener::open(
      threads, {source.options_.name, source.options_.listen, source.options_.connections_max},
      [&source](boost::asio::ip::tcp::socket socket, net::IoThread& thread,
                net::ConnectionLease connection) {
        source.accept(std::move(socket), thread, std::move(connection));
      },
      [&source](const std::string& peer) {
        source.intake_.metrics().messages_refused.with(source.name(), "max_connections").add();
        log_limited(LogLevel::warn, source.name() + "/max_connections",
                    "connection refused: max_connections are open",
                    {{"source", source.name()}, {"peer", peer}});
      });
  if (!listener) return failure(listener.error());
  source.listener_ = std::move(*listener);
  source.port_ = source.listener_->port();

  // A UDP port that somebody else holds costs only the heartbeats of a legacy client setting.
  const std::string address = source.options_.listen.substr(0, source.options_.listen.rfind(':')) +
                              ":" + std::to_string(source.port_);
  auto heartbeats = net::HeartbeatSocket::open(*threads.all().front(), address);
  if (heartbeats) {
    source.heartbeats_ = std::move(*heartbeats);
  } else {
    log_warn("UDP heartbeats will not be answered",
             {{"source", source.name()}, {"error", heartbeats.error().message}});
  }
  return made;
}

void ForwardSource::start() {
  listener_->start();
  if (heartbeats_) heartbeats_->start();
  log_info("listening", {{"source", options_.name},
                         {"protocol", "forward"},
                         {"address", options_.listen},
                         {"port", port_},
                         {"tls", settings_->tls ? "yes" : "no"},
                         {"shared_key", settings_->security ? "yes" : "no"}});
}

void ForwardSource::stop_accepting() {
  listener_->close();
  if (heartbeats_) heartbeats_->close();
}

void ForwardSource::release_listeners() {
  listener_.reset();
  heartbeats_.reset();
}

size_t ForwardSource::connections() const { return listener_ ? listener_->connections() : 0; }

void ForwardSource::reconfigure(ForwardSettings settings, size_t connections_max) {
  listener_->limit_connections(connections_max);
  auto fresh = std::make_shared<const ForwardSettings>(std::move(settings));
  const std::lock_guard lock(mutex_);
  settings_ = std::move(fresh);
}

std::shared_ptr<const ForwardSettings> ForwardSource::settings() const {
  const std::lock_guard lock(mutex_);
  return settings_;
}

metrics::SourceStatus ForwardSource::status() const {
  const std::string host = options_.listen.substr(0, options_.listen.rfind(':'));
  return {options_.name, "forward", host + ":" + std::to_string(port_), settings()->tls != nullptr};
}

std::optional<metrics::CertificateStatus> ForwardSource::certificate() const {
  const auto now = settings();
  if (!now->tls) return std::nullopt;
  return metrics::CertificateStatus{options_.name, now->tls->subject(), now->tls->expiry()};
}

void ForwardSource::accept(boost::asio::ip::tcp::socket socket, net::IoThread& thread,
                           net::ConnectionLease connection) {
  auto settings = this->settings();
  auto stream = net::make_stream(std::move(socket), settings->tls);
  std::make_shared<ForwardSession>(intake_, sessions_, thread, std::move(connection),
                                   std::move(stream), std::move(settings))
      ->start();
}

}  // namespace penstock::ingest
