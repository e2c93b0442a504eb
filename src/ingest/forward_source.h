// ForwardSource: a `forward` source: its listener and its UDP heartbeats.
#pragma once

#include <memory>

#include "ingest/forward_session.h"
#include "ingest/listener_source.h"
#include "net/heartbeat_socket.h"

namespace penstock::ingest {

class ForwardSource final : public ListenerSource {
 public:
  static Result<std::unique_ptr<Source>, Error> open(
      net::IoThreads& threads, Options options, Stages stages, const RouterSlot& router,
      std::shared_ptr<const ForwardSettings> settings);

  void start() override;
  void stop_accepting() override;
  void release_listeners() override;

 private:
  using ListenerSource::ListenerSource;
  void open_session(Accepted accepted, std::shared_ptr<const SourceSettings> settings) override;

  std::unique_ptr<net::HeartbeatSocket> heartbeats_;
};

}  // namespace penstock::ingest
