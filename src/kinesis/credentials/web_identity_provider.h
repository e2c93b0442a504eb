// AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE: IRSA on EKS, STS on OpenShift. The token file is
// read again for each call: the kubelet replaces it at 80 percent of its life.
#pragma once

#include "kinesis/credentials/provider.h"
#include "kinesis/credentials/sts.h"

namespace penstock::kinesis {

class WebIdentityProvider final : public CredentialProvider {
 public:
  explicit WebIdentityProvider(const CredentialContext& context) : context_(context) {}
  [[nodiscard]] Answer fetch() override;

  // The same with role and file from elsewhere (a profile).
  [[nodiscard]] static Result<Credentials, Error> fetch_with(const CredentialContext& context,
                                                             const AssumeRole& role,
                                                             const std::string& token_file);

 private:
  const CredentialContext& context_;
};

}  // namespace penstock::kinesis
