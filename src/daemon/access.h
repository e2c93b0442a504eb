// From `auth` of the configuration to auth::Access: for an HTTP source, and for admin.secure.
//
// Thread: the main thread; keeps no state.
#pragma once

#include <memory>

#include "admin/server.h"
#include "auth/access.h"
#include "base/result.h"
#include "config/options.h"

namespace penstock::daemon {

// Reads tokens and passwords; errors name the file. Null without options: everybody is welcome.
// token_review: the one of this process, made when service accounts first need it.
[[nodiscard]] Result<std::shared_ptr<const auth::Access>, Error> make_access(
    const std::optional<config::HttpAuthOptions>& options,
    std::shared_ptr<auth::TokenReview>& token_review);

// Both tls and auth are given (config::validate sees to it).
[[nodiscard]] Result<admin::SecureSettings, Error> make_secure_settings(
    const config::AdminSecureOptions& options, std::shared_ptr<auth::TokenReview>& token_review);

}  // namespace penstock::daemon
