#include "kinesis/credentials/container_provider.h"

#include "kinesis/credentials/credential_document.h"

namespace penstock::kinesis {
namespace {

constexpr std::string_view kWho = "the container credential endpoint";
constexpr int kTries = 3;

}  // namespace

bool ContainerProvider::is_trusted(std::string_view url) {
  if (url.starts_with("https://")) return true;
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return false;
  url.remove_prefix(kScheme.size());
  const std::string_view authority = url.substr(0, url.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) return false;
  const std::string_view host = authority.starts_with('[')
                                    ? authority.substr(0, authority.find(']') + 1)
                                    : authority.substr(0, authority.find(':'));
  // ECS, EKS Pod Identity over IPv4 and IPv6, and the loopback.
  for (const std::string_view trusted :
       {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "localhost", "127.0.0.1", "[::1]"}) {
    if (host == trusted) return true;
  }
  return false;
}

Result<std::string, Error> ContainerProvider::authorization() const {
  std::string value = environment_text(context_.environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
  const std::string file =
      environment_text(context_.environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (!file.empty()) {
    auto text = read_credential_file(file);
    if (!text) return failure(text.error());
    value = std::move(*text);
    value.resize(value.find_last_not_of(" \t\r\n") + 1);
  }
  if (value.find_first_of("\r\n") != std::string::npos) {
    return run_error("the container authorization token has a line break in it");
  }
  return value;
}

CredentialProvider::Answer ContainerProvider::fetch() {
  const std::string relative =
      environment_text(context_.environment, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const std::string url =
      !relative.empty()
          ? "http://169.254.170.2" + relative
          : environment_text(context_.environment, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (url.empty()) return std::nullopt;
  if (!is_trusted(url)) {
    return run_error(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI is plain http to a host that is not a container "
        "agent: use https");
  }
  std::string problem;
  for (int i = 0; i < kTries; ++i) {
    auto token = authorization();
    if (!token) return failure(token.error());
    net::HttpRequest request;
    request.method = "GET";
    request.url = url;
    request.headers = {"Accept: application/json"};
    if (!token->empty()) request.headers.push_back("Authorization: " + *token);
    request.use_proxy = false;
    request.timeouts = {seconds(2), seconds(2), seconds(5)};
    request.response_bytes_max = 64u << 10;
    const net::HttpResponse response = context_.http.fetch(std::move(request));
    if (response.answered() && response.status == 200) {
      auto found = parse_credential_document(as_text(response.body.view()), kWho);
      if (!found) return failure(found.error());
      found->provider = "container";
      return std::move(*found);
    }
    problem =
        std::string(kWho) + ": " +
        (response.answered() ? "HTTP " + std::to_string(response.status) : response.failure_text);
    if (response.answered() && response.status < 500) break;
  }
  return run_error(std::move(problem));
}

}  // namespace penstock::kinesis
