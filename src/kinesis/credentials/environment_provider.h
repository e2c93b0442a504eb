// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
#pragma once

#include "kinesis/credentials/provider.h"

namespace penstock::kinesis {

class EnvironmentProvider final : public CredentialProvider {
 public:
  explicit EnvironmentProvider(const CredentialContext& context) : context_(context) {}
  [[nodiscard]] Answer fetch() override;

 private:
  const CredentialContext& context_;
};

}  // namespace penstock::kinesis
