#include "kinesis/credentials/environment_provider.h"

namespace penstock::kinesis {

CredentialProvider::Answer EnvironmentProvider::fetch() {
  Credentials found;
  found.access_key_id = context_.environment("AWS_ACCESS_KEY_ID");
  found.secret_access_key = context_.environment("AWS_SECRET_ACCESS_KEY");
  if (found.access_key_id.empty() && found.secret_access_key.empty()) return std::nullopt;
  if (found.empty()) {
    return run_error("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together: " +
                     std::string(found.access_key_id.empty() ? "the former" : "the latter") +
                     " is not set");
  }
  found.session_token = context_.environment("AWS_SESSION_TOKEN");
  found.account_id = context_.environment("AWS_ACCOUNT_ID");
  found.provider = "environment";
  return found;
}

}  // namespace penstock::kinesis
