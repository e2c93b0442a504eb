#include "daemon/credentials.h"

#include <random>

namespace penstock::daemon {
namespace {

// Keys of the environment or a file are there well before this; start-up does not wait for a
// provider across a network.
constexpr milliseconds kStartWait{50};

std::unique_ptr<kinesis::CredentialProvider> make_chain(const kinesis::CredentialOptions& options) {
  return std::make_unique<kinesis::CredentialChain>(options, kinesis::process_environment(),
                                                    Clock::system());
}

}  // namespace

kinesis::CredentialOptions make_credential_options(const config::Config& config) {
  kinesis::CredentialOptions options;
  options.profile = config.aws.profile;
  options.fips = config.aws.fips;
  options.dual_stack = config.aws.dual_stack;
  options.ca_bundle = config.aws.ca_bundle;
  // STS is asked where the first stream lives.
  for (const config::StreamOptions& stream : config.streams) {
    if (options.region.empty()) options.region = stream.region;
  }
  for (const config::AssumeRoleOptions& hop : config.aws.assume_role) {
    kinesis::AssumeRole role;
    role.role_arn = hop.role_arn;
    role.external_id = hop.external_id;
    role.session_name = hop.session_name;
    options.assume_role.push_back(std::move(role));
  }
  return options;
}

Credentials::Credentials(const config::Config& config)
    : options_(make_credential_options(config)),
      store_(make_chain(options_), Clock::system(), std::random_device()()) {
  store_.start(kStartWait);
}

void Credentials::reconfigure(const config::Config& config) {
  kinesis::CredentialOptions options = make_credential_options(config);
  if (options == options_) return;
  options_ = std::move(options);
  store_.replace(make_chain(options_));
}

metrics::CredentialsStatus Credentials::status() const {
  const kinesis::CredentialStore::Status now = store_.status();
  return {now.provider, now.expiry};
}

}  // namespace penstock::daemon
