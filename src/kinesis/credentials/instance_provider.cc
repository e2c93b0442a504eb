#include "kinesis/credentials/instance_provider.h"

#include "kinesis/credentials/credential_document.h"

namespace penstock::kinesis {
namespace {

constexpr std::string_view kWho = "the instance metadata service";
constexpr seconds kTokenLife{21'600};
constexpr const char* kHopLimit =
    "In a pod on EC2 the instance's metadata hop limit must be at least 2: aws ec2 "
    "modify-instance-metadata-options --http-put-response-hop-limit 2";
constexpr const char* kCredentialsPath = "/latest/meta-data/iam/security-credentials/";

}  // namespace

std::string InstanceProvider::base_url() const {
  std::string url = environment_text(context_.environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
  while (url.ends_with('/')) url.pop_back();
  if (!url.empty()) return url;
  return environment_text(context_.environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE") == "IPv6"
             ? "http://[fd00:ec2::254]"
             : "http://169.254.169.254";
}

net::HttpResponse InstanceProvider::ask(const std::string& method, const std::string& path,
                                        const std::string& header) {
  net::HttpRequest request;
  request.method = method;
  request.url = base_url() + path;
  if (!header.empty()) request.headers = {header};
  request.use_proxy = false;
  // Short: off EC2 nobody answers, and in a pod behind a hop limit of 1 nobody can.
  request.timeouts = {seconds(1), seconds(1), seconds(3)};
  request.response_bytes_max = 64u << 10;
  return context_.http.fetch(std::move(request));
}

Result<void, Error> InstanceProvider::renew_token() {
  const net::HttpResponse response =
      ask("PUT", "/latest/api/token",
          "X-aws-ec2-metadata-token-ttl-seconds: " + std::to_string(kTokenLife.count()));
  const bool timed_out = response.failure == net::HttpFailure::timeout;
  if (!response.answered() && !timed_out) {
    return run_error(
        "no credentials: none are configured, and the instance metadata service does not answer (" +
        response.failure_text + "). " + kHopLimit);
  }
  token_.clear();
  token_until_ = context_.clock.steady() + kTokenLife - seconds(60);
  if (timed_out || response.status == 403 || response.status == 404 || response.status == 405) {
    if (!environment_flag(context_.environment, "AWS_EC2_METADATA_V1_DISABLED")) return {};
    return run_error(std::string(kWho) + " gave no token (" +
                     (timed_out ? "no answer" : "HTTP " + std::to_string(response.status)) +
                     "), and AWS_EC2_METADATA_V1_DISABLED forbids requests without one. " +
                     kHopLimit);
  }
  if (response.status != 200 || response.body.empty()) {
    return run_error(std::string(kWho) + " gave no token: HTTP " + std::to_string(response.status));
  }
  std::string token(as_text(response.body.view()));
  if (token.find_first_of("\r\n") != std::string::npos) {
    return run_error(std::string(kWho) + " gave a token with a line break in it");
  }
  token_ = std::move(token);
  return {};
}

Result<std::string, Error> InstanceProvider::get(const std::string& path) {
  for (int i = 0; i < 2; ++i) {
    if (token_.empty() || context_.clock.steady() >= token_until_) {
      const auto renewed = renew_token();
      if (!renewed) return failure(renewed.error());
    }
    const net::HttpResponse response =
        ask("GET", path, token_.empty() ? "" : "X-aws-ec2-metadata-token: " + token_);
    if (response.answered() && response.status == 200) {
      return std::string(as_text(response.body.view()));
    }
    if (response.answered() && response.status == 401) {  // the token is too old, or is needed
      if (token_.empty()) {
        return run_error(std::string(kWho) + " requires a session token and returns none. " +
                         kHopLimit);
      }
      token_.clear();
      continue;
    }
    if (response.answered() && response.status == 404) {
      return run_error("no credentials: none are configured, and this instance has no role");
    }
    return run_error(
        std::string(kWho) + ": " +
        (response.answered() ? "HTTP " + std::to_string(response.status) : response.failure_text));
  }
  return run_error(std::string(kWho) + " rejects its own tokens");
}

CredentialProvider::Answer InstanceProvider::fetch() {
  if (environment_flag(context_.environment, "AWS_EC2_METADATA_DISABLED")) return std::nullopt;
  auto role = get(kCredentialsPath);
  if (!role) return failure(role.error());
  role->resize(std::min(role->find_first_of("\r\n"), role->size()));
  if (role->empty() || role->find_first_of("/?# ") != std::string::npos) {
    return run_error(std::string(kWho) + " named no role");
  }
  const auto document = get(kCredentialsPath + *role);
  if (!document) return failure(document.error());
  auto found = parse_credential_document(*document, kWho);
  if (!found) return failure(found.error());
  found->provider = "instance metadata";
  return std::move(*found);
}

}  // namespace penstock::kinesis
