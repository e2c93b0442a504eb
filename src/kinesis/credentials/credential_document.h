// The JSON that container agents, the instance metadata service and credential processes hand out:
// {"AccessKeyId":…,"SecretAccessKey":…,"Token" or "SessionToken":…,"Expiration":…,"AccountId":…}
#pragma once

#include <string_view>

#include "base/result.h"
#include "kinesis/credentials/credentials.h"

namespace penstock::kinesis {

// who: for errors, "the container's credential endpoint".
[[nodiscard]] Result<Credentials, Error> parse_credential_document(std::string_view json,
                                                                   std::string_view who);

// 2026-11-23T06:30:00Z and its like; the error does not repeat the text.
[[nodiscard]] Result<WallTime, Error> parse_expiration(std::string_view text, std::string_view who);

}  // namespace penstock::kinesis
