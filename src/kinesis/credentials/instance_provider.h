// The role of an EC2 instance, by version 2 of its metadata service. Where it gives no session
// token (403, 404, 405 or no answer to the PUT: stand-ins like kube2iam, a hop limit of 1), version
// 1 is used as the SDKs do, unless AWS_EC2_METADATA_V1_DISABLED.
#pragma once

#include "kinesis/credentials/provider.h"

namespace penstock::kinesis {

class InstanceProvider final : public CredentialProvider {
 public:
  explicit InstanceProvider(const CredentialContext& context) : context_(context) {}
  [[nodiscard]] Answer fetch() override;

 private:
  [[nodiscard]] std::string base_url() const;
  [[nodiscard]] net::HttpResponse ask(const std::string& method, const std::string& path,
                                      const std::string& header);
  // Leaves token_ empty when only version 1 is left.
  [[nodiscard]] Result<void, Error> renew_token();
  [[nodiscard]] Result<std::string, Error> get(const std::string& path);

  const CredentialContext& context_;
  std::string token_;  // of the session, at most six hours old; empty: version 1
  SteadyTime token_until_{};
};

}  // namespace penstock::kinesis
