#include "kinesis/credentials/web_identity_provider.h"

namespace penstock::kinesis {

CredentialProvider::Answer WebIdentityProvider::fetch() {
  const std::string token_file =
      environment_text(context_.environment, "AWS_WEB_IDENTITY_TOKEN_FILE");
  if (token_file.empty()) return std::nullopt;
  AssumeRole role;
  role.role_arn = environment_text(context_.environment, "AWS_ROLE_ARN");
  role.session_name = environment_text(context_.environment, "AWS_ROLE_SESSION_NAME");
  if (role.role_arn.empty()) {
    return run_error("AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not: set both");
  }
  auto found = fetch_with(context_, role, token_file);
  if (!found) return failure(found.error());
  return std::move(*found);
}

Result<Credentials, Error> WebIdentityProvider::fetch_with(const CredentialContext& context,
                                                           const AssumeRole& role,
                                                           const std::string& token_file) {
  auto token = read_credential_file(token_file);
  if (!token) return failure(token.error());
  token->resize(token->find_last_not_of(" \t\r\n") + 1);
  if (token->empty()) return run_error("the web identity token file " + token_file + " is empty");
  auto found = assume_role_with_web_identity(context, role, *token);
  if (found) found->provider = "web identity";
  return found;
}

}  // namespace penstock::kinesis
