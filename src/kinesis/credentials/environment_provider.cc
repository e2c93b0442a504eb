#include "kinesis/credentials/environment_provider.h"

namespace penstock::kinesis {

CredentialProvider::Answer EnvironmentProvider::fetch() {
  Credentials found;
  const char* id_name = "AWS_ACCESS_KEY_ID";
  const char* secret_name = "AWS_SECRET_ACCESS_KEY";
  const auto read = [&] {
    found.access_key_id = environment_text(context_.environment, id_name);
    found.secret_access_key = environment_text(context_.environment, secret_name);
    return !found.access_key_id.empty() || !found.secret_access_key.empty();
  };
  bool is_set = read();
  if (!is_set && predecessors_variables_) {
    id_name = "AWS_KEY_ID";
    secret_name = "AWS_SEC_KEY";
    is_set = read();
  }
  if (!is_set) return std::nullopt;
  if (found.empty()) {
    return run_error(std::string(id_name) + " and " + secret_name + " belong together: " +
                     std::string(found.access_key_id.empty() ? "the former" : "the latter") +
                     " is not set");
  }
  found.session_token = environment_text(context_.environment, "AWS_SESSION_TOKEN");
  found.account_id = environment_text(context_.environment, "AWS_ACCOUNT_ID");
  found.provider = "environment";
  return found;
}

}  // namespace penstock::kinesis
