// The credential endpoint of a container agent: ECS, and EKS Pod Identity.
#pragma once

#include <string_view>

#include "kinesis/credentials/provider.h"

namespace penstock::kinesis {

class ContainerProvider final : public CredentialProvider {
 public:
  explicit ContainerProvider(const CredentialContext& context) : context_(context) {}
  [[nodiscard]] Answer fetch() override;

  // Over plain http only the agents' own addresses are trusted. Pure.
  [[nodiscard]] static bool is_trusted(std::string_view url);

 private:
  [[nodiscard]] Result<std::string, Error> authorization() const;

  const CredentialContext& context_;
};

}  // namespace penstock::kinesis
