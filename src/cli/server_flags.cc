#include "cli/server_flags.h"

#include <unistd.h>

#include "config/secret_ref.h"

namespace penstock::cli {

Result<std::string, Error> read_secret_file(std::string_view flag, const std::string& path) {
  if (path.empty()) return std::string();
  config::SecretRef secret;
  secret.path = path;
  auto value = config::read_secret(secret);
  if (!value) return usage_error(std::string(flag) + ": " + value.error().message);
  return value;
}

Result<void, Error> check_ca_file(const std::string& path) {
  if (path.empty() || ::access(path.c_str(), R_OK) == 0) return {};
  return usage_error("--ca " + path + ": cannot be read; name a PEM file");
}

std::string unreachable(const std::string& failure, std::string_view cure) {
  const bool of_certificate = failure.find("certificate") != std::string::npos;
  return failure + std::string(of_certificate ? "; name its CA with --ca" : cure);
}

}  // namespace penstock::cli
