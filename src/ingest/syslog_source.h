// SyslogSource: a `syslog` source: its listener and, where asked for, its UDP socket.
#pragma once

#include <memory>

#include "ingest/syslog_datagrams.h"
#include "ingest/syslog_session.h"

namespace penstock::ingest {

class SyslogSource final : public ListenerSource {
 public:
  static Result<std::unique_ptr<Source>, Error> open(
      net::IoThreads& threads, Options options, Stages stages, const RouterSlot& router,
      std::shared_ptr<const SyslogSettings> settings);

  void start() override;
  void half_close() override;
  void release_listeners() override;

 private:
  using ListenerSource::ListenerSource;
  void open_session(Accepted accepted, std::shared_ptr<const SourceSettings> settings) override;
  [[nodiscard]] std::shared_ptr<const SyslogSettings> syslog_settings() const;

  std::unique_ptr<SyslogDatagrams> datagrams_;  // null without udp
};

}  // namespace penstock::ingest
