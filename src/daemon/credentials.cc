#include "daemon/credentials.h"

namespace penstock::daemon {

Credentials::Credentials(const config::AwsOptions&) {
  const kinesis::Environment environment = kinesis::process_environment();
  kinesis::Credentials found;
  found.access_key_id = environment("AWS_ACCESS_KEY_ID");
  found.secret_access_key = environment("AWS_SECRET_ACCESS_KEY");
  found.session_token = environment("AWS_SESSION_TOKEN");
  found.provider = "environment";
  if (!found.empty()) current_ = std::make_shared<const kinesis::Credentials>(std::move(found));
}

std::shared_ptr<const kinesis::Credentials> Credentials::current() {
  const std::lock_guard lock(mutex_);
  return current_;
}

void Credentials::refresh_soon() {}

void Credentials::reconfigure(const config::AwsOptions&) {}

metrics::CredentialsStatus Credentials::status() {
  const auto now = current();
  if (!now) return {};
  return {now->provider, now->expiry};
}

}  // namespace penstock::daemon
