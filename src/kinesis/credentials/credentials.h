// Credentials: one set of AWS keys and what is known about it. A value; never logged, never
// printed.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace penstock::kinesis {

struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;       // empty for long-term keys
  std::optional<WallTime> expiry;  // absent: they do not expire
  std::string account_id;          // when the provider said it
  std::string provider;            // which one won, for display: "environment", "web identity", …

  [[nodiscard]] bool empty() const { return access_key_id.empty() || secret_access_key.empty(); }
  bool operator==(const Credentials&) const = default;
};

}  // namespace penstock::kinesis
