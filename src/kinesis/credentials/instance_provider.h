// The role of an EC2 instance, by version 2 of its metadata service. Version 1 is never used: it
// has no protection against requests that somebody tricked a process into.
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
  [[nodiscard]] Result<void, Error> renew_token();
  [[nodiscard]] Result<std::string, Error> get(const std::string& path);

  const CredentialContext& context_;
  std::string token_;  // of the session, at most six hours old
  SteadyTime token_until_{};
};

}  // namespace penstock::kinesis
