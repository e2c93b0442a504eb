// From the configuration to sources: how each is opened, and the settings it goes by after a
// reload.
//
// Thread: the main thread; keeps no state.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/options.h"
#include "ingest/intake.h"
#include "ingest/listener_source.h"
#include "ingest/source.h"
#include "auth/token_review.h"
#include "net/io_thread.h"

namespace penstock::daemon {

struct ConfiguredSource {
  std::string name;
  size_t connections_max = 0;
  std::shared_ptr<const ingest::SourceSettings> settings;
  using Opened = Result<std::unique_ptr<ingest::Source>, Error>;
  std::function<Opened(net::IoThreads&, ingest::Stages, const ingest::RouterSlot&)> open;
};

// Every source of config. Reads certificates, keys and secrets: errors name the file.
// token_review: the one of this process, made when a source first needs it.
[[nodiscard]] Result<std::vector<ConfiguredSource>, Error> configured_sources(
    const config::Config& config, std::shared_ptr<auth::TokenReview>& token_review);

}  // namespace penstock::daemon
