#include "ingest/listener_source.h"

#include "base/log.h"

namespace penstock::ingest {

ListenerSource::ListenerSource(net::IoThreads& threads, Options options, std::string type,
                               Stages stages, const RouterSlot& router,
                               std::shared_ptr<const SourceSettings> settings)
    : options_(std::move(options)),
      type_(std::move(type)),
      intake_(options_.name, stages, router),
      sessions_(threads),
      settings_(std::move(settings)) {}

Result<void, Error> ListenerSource::listen(net::IoThreads& threads) {
  auto listener = net::Listener::open(
      threads, {options_.name, options_.listen, options_.connections_max},
      [this](boost::asio::ip::tcp::socket socket, net::IoThread& thread,
             net::ConnectionLease connection) {
        auto its_settings = settings();
        auto stream = net::make_stream(std::move(socket), its_settings->tls);
        const bool has_tls = its_settings->tls != nullptr;
        const bool has_proxy_header = its_settings->proxy_protocol;
        open_session({thread, std::move(connection), std::move(stream), has_tls, has_proxy_header},
                     std::move(its_settings));
      },
      [this](const std::string& peer) {
        intake_.metrics().messages_refused.with(name(), "max_connections").add();
        log_limited(LogLevel::warn, name() + "/max_connections",
                    "connection rejected: max_connections are open",
                    {{"source", name()}, {"peer", peer}});
      });
  if (!listener) return failure(listener.error());
  listener_ = std::move(*listener);
  port_ = listener_->port();
  return {};
}

void ListenerSource::start() {
  listener_->start();
  log_info("listening", {{"source", options_.name},
                         {"protocol", type_},
                         {"address", to_string(options_.listen)},
                         {"port", port_},
                         {"tls", settings()->tls ? "yes" : "no"}});
}

void ListenerSource::stop_accepting() { listener_->close(); }

void ListenerSource::release_listeners() { listener_.reset(); }

size_t ListenerSource::connections() const { return listener_ ? listener_->connections() : 0; }

void ListenerSource::reconfigure(std::shared_ptr<const SourceSettings> settings,
                                 size_t connections_max) {
  listener_->limit_connections(connections_max);
  const std::lock_guard lock(mutex_);
  settings_ = std::move(settings);
}

std::shared_ptr<const SourceSettings> ListenerSource::settings() const {
  const std::lock_guard lock(mutex_);
  return settings_;
}

net::ListenAddress ListenerSource::bound_address() const { return {options_.listen.host, port_}; }

metrics::SourceStatus ListenerSource::status() const {
  return {options_.name, type_, to_string(bound_address()), settings()->tls != nullptr};
}

std::optional<metrics::CertificateStatus> ListenerSource::certificate() const {
  const auto now = settings();
  if (!now->tls) return std::nullopt;
  return metrics::CertificateStatus{options_.name, now->tls->subject(), now->tls->expiry()};
}

}  // namespace penstock::ingest
