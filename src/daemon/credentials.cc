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

kinesis::CredentialOptions make_credential_options(const config::Identity& identity,
                                                   const config::Config& config) {
  kinesis::CredentialOptions options;
  options.profile = identity.profile;
  options.fips = config.aws.fips;
  options.dual_stack = config.aws.dual_stack;
  options.ca_bundle = config.aws.ca_bundle;
  options.predecessors_variables = config.file.empty();
  // STS is asked where the identity's first stream lives.
  for (const config::StreamOptions& stream : config.streams) {
    const bool has_it = config::identity_of(stream, config.aws) == identity;
    if (has_it && options.region.empty()) options.region = stream.region;
  }
  for (const config::AssumeRoleOptions& hop : identity.assume_role) {
    kinesis::AssumeRole role;
    role.role_arn = hop.role_arn;
    role.external_id = hop.external_id;
    role.session_name = hop.session_name;
    options.assume_role.push_back(std::move(role));
  }
  return options;
}

Credentials::Credentials(kinesis::CredentialOptions options)
    : options_(std::move(options)),
      store_(make_chain(options_), Clock::system(), std::random_device()()) {
  store_.start(kStartWait);
}

void Credentials::reconfigure(kinesis::CredentialOptions options) {
  if (options == options_) return;
  options_ = std::move(options);
  store_.replace(make_chain(options_));
}

metrics::CredentialsStatus Credentials::status() const {
  const kinesis::CredentialStore::Status now = store_.status();
  return {{}, now.provider, now.account_id, now.expiry, now.last_error};
}

std::shared_ptr<Credentials> Identities::of(const config::StreamOptions& stream) {
  const config::Identity identity = config::identity_of(stream, config_.aws);
  for (const Entry& entry : entries_) {
    if (entry.identity == identity) return entry.credentials;
  }
  auto made = std::make_shared<Credentials>(make_credential_options(identity, config_));
  entries_.push_back({identity, made});
  return made;
}

void Identities::reconfigure(const config::Config& config) {
  config_ = config;
  for (const Entry& entry : entries_) {
    entry.credentials->reconfigure(make_credential_options(entry.identity, config_));
  }
}

void Identities::drop_unused() {
  std::erase_if(entries_, [this](Entry& entry) {
    if (entry.credentials.use_count() > 1) return false;
    ending_.push_back(std::move(entry.credentials));
    return true;
  });
  std::erase_if(ending_, [](const auto& credentials) { return credentials->end_soon(); });
}

std::vector<metrics::CredentialsStatus> Identities::status() const {
  const config::Identity common{config_.aws.profile, config_.aws.assume_role};
  std::vector<metrics::CredentialsStatus> all;
  for (const Entry& entry : entries_) {
    metrics::CredentialsStatus status = entry.credentials->status();
    if (entry.identity == common) {
      all.insert(all.begin(), std::move(status));
    } else {
      status.identity = config::to_string(entry.identity);
      all.push_back(std::move(status));
    }
  }
  return all;
}

}  // namespace penstock::daemon
