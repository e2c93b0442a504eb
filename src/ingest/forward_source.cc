#include "ingest/forward_source.h"

#include "base/log.h"

namespace penstock::ingest {

Result<std::unique_ptr<Source>, Error> ForwardSource::open(
    net::IoThreads& threads, Options options, Stages stages, const RouterSlot& router,
    std::shared_ptr<const ForwardSettings> settings) {
  std::unique_ptr<ForwardSource> source(new ForwardSource(threads, std::move(options), "forward",
                                                          stages, router, std::move(settings)));
  if (auto listening = source->listen(threads); !listening) return failure(listening.error());

  // A UDP port that somebody else holds costs only the heartbeats of a legacy client setting.
  auto heartbeats = net::HeartbeatSocket::open(*threads.all().front(), source->bound_address());
  if (heartbeats) {
    source->heartbeats_ = std::move(*heartbeats);
  } else {
    log_warn("UDP heartbeats will not be answered",
             {{"source", source->name()}, {"error", heartbeats.error().message}});
  }
  return source;
}

void ForwardSource::start() {
  ListenerSource::start();
  if (heartbeats_) heartbeats_->start();
}

void ForwardSource::stop_accepting() {
  ListenerSource::stop_accepting();
  if (heartbeats_) heartbeats_->close();
}

void ForwardSource::release_listeners() {
  ListenerSource::release_listeners();
  heartbeats_.reset();
}

void ForwardSource::open_session(Accepted accepted,
                                 std::shared_ptr<const SourceSettings> settings) {
  std::make_shared<ForwardSession>(
      intake(), sessions(), std::move(accepted),
      std::static_pointer_cast<const ForwardSettings>(std::move(settings)))
      ->start();
}

}  // namespace penstock::ingest
