// Credentials: what signs the requests of one identity: the chain of providers as configured, kept
// fresh on a thread of its own by kinesis::CredentialStore. Identities: one of it for each identity
// that a stream has.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/options.h"
#include "delivery/http_put_port.h"
#include "kinesis/credentials/chain.h"
#include "kinesis/credentials/credential_store.h"
#include "metrics/status.h"

namespace penstock::daemon {

[[nodiscard]] kinesis::CredentialOptions make_credential_options(const config::Identity& identity,
                                                                 const config::Config& config);

// Thread: any, but reconfigure(): the daemon's.
class Credentials final : public delivery::CredentialSource {
 public:
  // Keys that are at hand are found when this returns; others are looked for meanwhile.
  explicit Credentials(kinesis::CredentialOptions options);

  [[nodiscard]] std::shared_ptr<const kinesis::Credentials> current() override {
    return store_.current();
  }
  void refresh_soon() override { store_.refresh_soon(); }
  void reconfigure(kinesis::CredentialOptions options);
  // Looks for no more; true when a look under way is over, so that nobody waits for its end.
  [[nodiscard]] bool end_soon() { return store_.end_soon(); }

  [[nodiscard]] metrics::CredentialsStatus status() const;

 private:
  kinesis::CredentialOptions options_;
  kinesis::CredentialStore store_;
};

// Thread: the daemon's.
class Identities {
 public:
  explicit Identities(const config::Config& config) { reconfigure(config); }

  // Of a stream that is configured, or was. Streams of equal identities share one.
  [[nodiscard]] std::shared_ptr<Credentials> of(const config::StreamOptions& stream);
  // Endpoints and authorities change for all.
  void reconfigure(const config::Config& config);
  // Those that no stream has any more end. Now and then.
  void drop_unused();

  // The one of `aws` first, if a stream has it.
  [[nodiscard]] std::vector<metrics::CredentialsStatus> status() const;

 private:
  struct Entry {
    config::Identity identity;
    std::shared_ptr<Credentials> credentials;
  };
  config::Config config_;
  std::vector<Entry> entries_;
  std::vector<std::shared_ptr<Credentials>> ending_;
};

}  // namespace penstock::daemon
