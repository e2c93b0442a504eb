// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
#pragma once

#include "kinesis/credentials/provider.h"

namespace penstock::kinesis {

class EnvironmentProvider final : public CredentialProvider {
 public:
  // predecessors_variables: AWS_KEY_ID and AWS_SEC_KEY count where the usual ones are absent.
  explicit EnvironmentProvider(const CredentialContext& context,
                               bool predecessors_variables = false)
      : context_(context), predecessors_variables_(predecessors_variables) {}
  [[nodiscard]] Answer fetch() override;

 private:
  const CredentialContext& context_;
  const bool predecessors_variables_;
};

}  // namespace penstock::kinesis
