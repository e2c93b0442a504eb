// CredentialChain: where credentials come from, in order: the configured profile, keys in the
// environment, web identity, container agent, shared files, instance metadata. The first that is
// configured wins; when that one fails the next are not asked, for that would sign as somebody
// else. On top of it, assume-role hops.
//
// Thread: one at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kinesis/credentials/provider.h"
#include "kinesis/credentials/sts.h"

namespace penstock::kinesis {

struct CredentialOptions {
  std::string profile;  // "": AWS_PROFILE, else "default"
  std::vector<AssumeRole> assume_role;
  std::string region;  // for STS; "": AWS_REGION, else the profile's
  bool fips = false;
  bool dual_stack = false;
  std::string ca_bundle;
  bool predecessors_variables = false;  // AWS_KEY_ID and AWS_SEC_KEY count too
  bool operator==(const CredentialOptions&) const = default;
};

class CredentialChain final : public CredentialProvider {
 public:
  CredentialChain(const CredentialOptions& options, Environment environment, const Clock& clock);

  // Never absent: nothing configured is an error that says what could be.
  [[nodiscard]] Answer fetch() override;
  [[nodiscard]] bool changed() override;

 private:
  [[nodiscard]] Answer fetch_base();

  const std::vector<AssumeRole> hops_;
  net::HttpsClient http_;
  CredentialContext context_;
  std::vector<std::unique_ptr<CredentialProvider>> providers_;
  CredentialProvider* winner_ = nullptr;  // of the last fetch
};

}  // namespace penstock::kinesis
