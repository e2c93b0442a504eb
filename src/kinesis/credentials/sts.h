// The two calls of the Security Token Service that turn one identity into another's keys.
#pragma once

#include <string>

#include "kinesis/credentials/provider.h"

namespace penstock::kinesis {

struct AssumeRole {
  std::string role_arn;
  std::string external_id;   // optional
  std::string session_name;  // "": penstock
  std::string policy;        // optional, JSON
  std::string region;        // of STS; "": the context's
  int duration_seconds = 3600;
  bool operator==(const AssumeRole&) const = default;
};

// Signed with `base`.
[[nodiscard]] Result<Credentials, Error> assume_role(const CredentialContext& context,
                                                     const AssumeRole& role,
                                                     const Credentials& base);

// Not signed: the token is the proof.
[[nodiscard]] Result<Credentials, Error> assume_role_with_web_identity(
    const CredentialContext& context, const AssumeRole& role, const std::string& token);

// The Credentials element of an answer, pure.
[[nodiscard]] Result<Credentials, Error> parse_sts_answer(std::string_view xml,
                                                          std::string_view action);

}  // namespace penstock::kinesis
