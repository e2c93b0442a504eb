// Credentials: what signs our requests: the chain of providers as configured, kept fresh on a
// thread of its own by kinesis::CredentialStore.
#pragma once

#include <memory>

#include "config/options.h"
#include "delivery/http_put_port.h"
#include "kinesis/credentials/chain.h"
#include "kinesis/credentials/credential_store.h"
#include "metrics/status.h"

namespace penstock::daemon {

[[nodiscard]] kinesis::CredentialOptions make_credential_options(const config::Config& config);

// Thread: any, but reconfigure(): the daemon's.
class Credentials final : public delivery::CredentialSource {
 public:
  // Keys that are at hand are found when this returns; others are looked for meanwhile.
  explicit Credentials(const config::Config& config);

  [[nodiscard]] std::shared_ptr<const kinesis::Credentials> current() override {
    return store_.current();
  }
  void refresh_soon() override { store_.refresh_soon(); }
  void reconfigure(const config::Config& config);

  [[nodiscard]] metrics::CredentialsStatus status() const;
  // Why the last attempt to renew them failed; empty: it did not.
  [[nodiscard]] std::string last_error() const { return store_.status().last_error; }

 private:
  kinesis::CredentialOptions options_;
  kinesis::CredentialStore store_;
};

}  // namespace penstock::daemon
