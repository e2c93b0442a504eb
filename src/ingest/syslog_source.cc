#include "ingest/syslog_source.h"

namespace penstock::ingest {

Result<std::unique_ptr<Source>, Error> SyslogSource::open(
    net::IoThreads& threads, Options options, Stages stages, const RouterSlot& router,
    std::shared_ptr<const SyslogSettings> settings) {
  const bool udp = settings->udp;
  std::unique_ptr<SyslogSource> source(
      new SyslogSource(threads, std::move(options), "syslog", stages, router, std::move(settings)));
  if (auto listening = source->listen(threads); !listening) return failure(listening.error());
  if (!udp) return source;
  auto datagrams =
      SyslogDatagrams::open(*threads.all().back(), source->bound_address(), source->intake(),
                            [s = source.get()] { return s->syslog_settings(); });
  if (!datagrams) return failure(datagrams.error());
  source->datagrams_ = std::move(*datagrams);
  return source;
}

std::shared_ptr<const SyslogSettings> SyslogSource::syslog_settings() const {
  return std::static_pointer_cast<const SyslogSettings>(settings());
}

void SyslogSource::start() {
  ListenerSource::start();
  if (datagrams_) datagrams_->start();
}

// Datagrams come without a connection to wait for: they are taken until the others are told to go.
void SyslogSource::half_close() {
  ListenerSource::half_close();
  if (datagrams_) datagrams_->close();
}

void SyslogSource::release_listeners() {
  ListenerSource::release_listeners();
  if (datagrams_) datagrams_->release();
}

void SyslogSource::open_session(Accepted accepted, std::shared_ptr<const SourceSettings> settings) {
  std::make_shared<SyslogSession>(
      intake(), sessions(), std::move(accepted),
      std::static_pointer_cast<const SyslogSettings>(std::move(settings)))
      ->start();
}

}  // namespace penstock::ingest
