#include "ingest/http_source.h"

namespace penstock::ingest {

HttpSource::HttpSource(net::IoThreads& threads, Options options, Stages stages,
                       const RouterSlot& router, std::shared_ptr<const HttpSettings> settings)
    : ListenerSource(threads, std::move(options), "http", stages, router, std::move(settings)) {
  shared_.settings = [this] {
    return std::static_pointer_cast<const HttpSettings>(ListenerSource::settings());
  };
}

Result<std::unique_ptr<Source>, Error> HttpSource::open(
    net::IoThreads& threads, Options options, Stages stages, const RouterSlot& router,
    std::shared_ptr<const HttpSettings> settings) {
  std::unique_ptr<HttpSource> source(
      new HttpSource(threads, std::move(options), stages, router, std::move(settings)));
  if (auto listening = source->listen(threads); !listening) return failure(listening.error());
  return source;
}

void HttpSource::stop_accepting() {
  shared_.leaving = true;
  ListenerSource::stop_accepting();
}

void HttpSource::open_session(Accepted accepted,
                              std::shared_ptr<const SourceSettings> /*settings*/) {
  std::make_shared<HttpSession>(intake(), sessions(), std::move(accepted), shared_)->start();
}

}  // namespace penstock::ingest
