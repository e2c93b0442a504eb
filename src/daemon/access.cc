#include "daemon/access.h"

#include "config/secret_ref.h"
#include "daemon/translate.h"

namespace penstock::daemon {

Result<std::shared_ptr<const auth::Access>, Error> make_access(
    const std::optional<config::HttpAuthOptions>& options,
    std::shared_ptr<auth::TokenReview>& token_review) {
  if (!options) return std::shared_ptr<const auth::Access>();
  auto access = std::make_shared<auth::Access>();
  auto tokens = config::read_secrets(options->bearer_token_files);
  if (!tokens) return failure(tokens.error());
  for (const std::string& token : *tokens) access->listed.add_bearer_token(token);
  for (const config::UserOptions& user : options->basic) {
    auto password = config::read_secret(user.password_file);
    if (!password) return failure(password.error());
    access->listed.add_basic(user.name, *password);
  }
  for (const std::string& account : options->service_accounts) {
    access->listed.add_service_account(account);
  }
  if (!options->service_accounts.empty()) {
    if (!token_review) {
      auto made = auth::TokenReview::of_cluster();
      if (!made) return failure(made.error());
      token_review = std::move(*made);
    }
    access->token_review = token_review;
  }
  return std::shared_ptr<const auth::Access>(std::move(access));
}

Result<admin::SecureSettings, Error> make_secure_settings(
    const config::AdminSecureOptions& options, std::shared_ptr<auth::TokenReview>& token_review) {
  auto tls = make_tls(options.tls);
  if (!tls) return failure(tls.error());
  auto access = make_access(options.auth, token_review);
  if (!access) return failure(access.error());
  return admin::SecureSettings{std::move(*tls), std::move(*access)};
}

}  // namespace penstock::daemon
