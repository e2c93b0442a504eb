// CredentialProvider: one place credentials come from. Blocking; asked by CredentialStore's thread
// and by commands, never on the data path.
//
// Thread: one at a time.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "kinesis/credentials/credentials.h"
#include "kinesis/environment.h"
#include "net/https_client.h"

namespace penstock::kinesis {

class CredentialProvider {
 public:
  // Absent: not configured here, ask the next. An error: configured, and it failed; the message
  // says what to do, and never holds a secret.
  using Answer = Result<std::optional<Credentials>, Error>;

  virtual ~CredentialProvider() = default;
  [[nodiscard]] virtual Answer fetch() = 0;
  // Whether what was last fetched may be outdated although it has not expired: a file was changed.
  [[nodiscard]] virtual bool changed() { return false; }
};

// What providers work with; outlives them.
struct CredentialContext {
  Environment environment;
  net::HttpsClient& http;
  const Clock& clock;
  std::string region;       // for STS; "": AWS_REGION, the profile's
  bool fips = false;        // likewise
  bool dual_stack = false;  // likewise
};

// The whole file, at most 1 MiB; the error names it.
[[nodiscard]] Result<std::string, Error> read_credential_file(const std::string& path);

// What distinguishes one version of a file from the next; "" when it is not there.
[[nodiscard]] std::string file_version(const std::string& path);

}  // namespace penstock::kinesis
