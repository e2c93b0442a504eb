// HttpSource: an `http` source: JSON on any path, OTLP on /v1/logs.
#pragma once

#include <memory>

#include "ingest/http_session.h"

namespace penstock::ingest {

class HttpSource final : public ListenerSource {
 public:
  static Result<std::unique_ptr<Source>, Error> open(net::IoThreads& threads, Options options,
                                                     Stages stages, const RouterSlot& router,
                                                     std::shared_ptr<const HttpSettings> settings);

  // Answers from now on ask clients to reconnect, which finds another replica.
  void stop_accepting() override;

 private:
  HttpSource(net::IoThreads& threads, Options options, Stages stages, const RouterSlot& router,
             std::shared_ptr<const HttpSettings> settings);
  void open_session(Accepted accepted, std::shared_ptr<const SourceSettings> settings) override;

  HttpShared shared_;
};

}  // namespace penstock::ingest
