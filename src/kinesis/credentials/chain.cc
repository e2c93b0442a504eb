#include "kinesis/credentials/chain.h"

#include "kinesis/credentials/container_provider.h"
#include "kinesis/credentials/environment_provider.h"
#include "kinesis/credentials/instance_provider.h"
#include "kinesis/credentials/profile_provider.h"
#include "kinesis/credentials/web_identity_provider.h"
#include "kinesis/endpoint.h"

namespace penstock::kinesis {
namespace {

net::HttpOptions http_options(const CredentialOptions& options) {
  net::HttpOptions http;
  http.ca_bundle = options.ca_bundle;
  http.connections_max = 2;
  return http;
}

std::string sts_region(const CredentialOptions& options, const Environment& environment) {
  if (!options.region.empty()) return options.region;
  std::string region = environment_region(environment);
  // Files that cannot be read are reported by the provider that needs them.
  return region.empty() ? profile_region(environment, options.profile).value_or("") : region;
}

// What would break a header, or is no part of any key: files and Secrets bring line breaks, blanks
// and quotes along. Absent: nothing of it is there.
std::optional<std::string> oddity_of(std::string_view text) {
  for (const char c : text) {
    if (c == '\n' || c == '\r') return "a line break";
    if (static_cast<uint8_t>(c) <= 0x20 || c == 0x7f) return "a blank or control character";
    if (c == '"' || c == '\'') return "a quote";
  }
  return std::nullopt;
}

Result<void, Error> check_keys(const Credentials& keys) {
  struct Part {
    const char* name;
    const std::string& text;
  };
  for (const Part& part : {Part{"access key id", keys.access_key_id},
                           Part{"secret access key", keys.secret_access_key},
                           Part{"session token", keys.session_token}}) {
    if (const auto oddity = oddity_of(part.text)) {
      return run_error("the " + std::string(part.name) + " (" + keys.provider + ") has " + *oddity +
                       " in it: write the value alone");
    }
  }
  return {};
}

}  // namespace

CredentialChain::CredentialChain(const CredentialOptions& options, Environment environment,
                                 const Clock& clock)
    : hops_(options.assume_role),
      http_(http_options(options)),
      context_{std::move(environment), http_, clock, "", options.fips, options.dual_stack} {
  context_.region = sts_region(options, context_.environment);
  const bool profile_first = !options.profile.empty();
  if (profile_first) {
    providers_.push_back(std::make_unique<ProfileProvider>(context_, options.profile));
    return;  // the operator named it: nothing else is meant
  }
  providers_.push_back(
      std::make_unique<EnvironmentProvider>(context_, options.predecessors_variables));
  providers_.push_back(std::make_unique<WebIdentityProvider>(context_));
  providers_.push_back(std::make_unique<ContainerProvider>(context_));
  providers_.push_back(std::make_unique<ProfileProvider>(context_, ""));
  providers_.push_back(std::make_unique<InstanceProvider>(context_));
}

CredentialProvider::Answer CredentialChain::fetch_base() {
  for (const auto& provider : providers_) {
    winner_ = provider.get();
    auto found = provider->fetch();
    if (!found) return found;
    if (!*found) continue;
    if (auto checked = check_keys(**found); !checked) return failure(checked.error());
    return found;
  }
  winner_ = nullptr;
  return run_error(
      "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or give the pod "
      "a role");
}

CredentialProvider::Answer CredentialChain::fetch() {
  auto found = fetch_base();
  if (!found) return found;
  for (const AssumeRole& hop : hops_) {
    const std::string before = (*found)->provider;
    auto assumed = assume_role(context_, hop, **found);
    if (!assumed) return run_error("assume_role " + hop.role_arn + ": " + assumed.error().message);
    assumed->provider = before + " > " + hop.role_arn;
    found = std::optional(std::move(*assumed));
  }
  return found;
}

bool CredentialChain::changed() { return winner_ != nullptr && winner_->changed(); }

}  // namespace penstock::kinesis
