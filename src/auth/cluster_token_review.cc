// The call to the cluster's API server. See token_review.h.
#include <simdjson.h>

#include <cstdlib>
#include <fstream>
#include <mutex>
#include <vector>

#include "auth/token_review.h"
#include "base/log.h"
#include "net/https_client.h"

namespace penstock::auth {
namespace {

constexpr const char* kAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr const char* kPath = "/apis/authentication.k8s.io/v1/tokenreviews";

std::string from_environment(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

void complain(const std::string& why) {
  log_limited(LogLevel::warn, "token_review", "TokenReview failed", {{"error", why}});
}

// nullopt: not what a TokenReview looks like.
std::optional<std::string> read_answer(ByteView body) {
  simdjson::dom::parser parser;
  simdjson::dom::element review;
  const simdjson::padded_string text(as_text(body));
  if (parser.parse(text).get(review) != simdjson::SUCCESS) return std::nullopt;
  simdjson::dom::object status;
  if (review["status"].get(status) != simdjson::SUCCESS) return std::nullopt;
  bool authenticated = false;
  if (status["authenticated"].get(authenticated) != simdjson::SUCCESS || !authenticated) return "";
  std::string_view user;
  if (status["user"]["username"].get(user) != simdjson::SUCCESS) return std::nullopt;
  return std::string(user);
}

// One for each call under way; they keep their connections between calls.
class Clients {
 public:
  explicit Clients(net::HttpOptions options) : options_(std::move(options)) {}

  [[nodiscard]] std::unique_ptr<net::HttpsClient> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<net::HttpsClient>(options_);
    auto client = std::move(idle_.back());
    idle_.pop_back();
    return client;
  }
  void give_back(std::unique_ptr<net::HttpsClient> client) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(client));
  }

 private:
  const net::HttpOptions options_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<net::HttpsClient>> idle_;
};

class ClusterReview {
 public:
  ClusterReview(std::string url, std::string directory)
      : url_(std::move(url)),
        directory_(std::move(directory)),
        clients_(std::make_shared<Clients>(
            net::HttpOptions{.connections_max = 1, .ca_bundle = directory_ + "/ca.crt"})) {}

  std::optional<std::string> operator()(const std::string& token) {
    net::HttpRequest request;
    request.url = url_;
    request.headers = {"Content-Type: application/json", "Accept: application/json",
                       // Renewed by the kubelet: read again for each call.
                       "Authorization: Bearer " + first_line(directory_ + "/token")};
    request.body = ByteBuffer::copy_of(as_bytes(
        R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":")" +
        token + R"("}})"));
    request.timeouts = {milliseconds(3'000), milliseconds(5'000), milliseconds(8'000)};
    request.response_bytes_max = 1_MiB;
    request.use_proxy = false;
    auto client = clients_->take();
    const net::HttpResponse response = client->fetch(std::move(request));
    clients_->give_back(std::move(client));
    if (!response.answered()) {
      complain(response.failure_text);
      return std::nullopt;
    }
    if (response.status != 200 && response.status != 201) {
      complain("the API server answers " + std::to_string(response.status) +
               (response.status == 403 || response.status == 401
                    ? ": this pod's service account needs the ClusterRole system:auth-delegator"
                    : ""));
      return std::nullopt;
    }
    auto user = read_answer(response.body.view());
    if (!user) complain("the API server's answer is no TokenReview");
    return user;
  }

 private:
  std::string url_;
  std::string directory_;
  std::shared_ptr<Clients> clients_;
};

}  // namespace

Result<std::shared_ptr<TokenReview>, Error> TokenReview::of_cluster() {
  const std::string host = from_environment("KUBERNETES_SERVICE_HOST", "");
  const std::string port = from_environment("KUBERNETES_SERVICE_PORT", "443");
  if (host.empty()) {
    return usage_error(
        "auth.service_accounts: KUBERNETES_SERVICE_HOST is not set, so there is no cluster to ask; "
        "run in a pod, or use bearer_token_files");
  }
  const std::string directory =
      from_environment("PENSTOCK_SERVICE_ACCOUNT_DIRECTORY", kAccountDirectory);
  if (first_line(directory + "/token").empty()) {
    return usage_error("auth.service_accounts: " + directory +
                       "/token cannot be read; let the pod mount its service account's token");
  }
  const bool is_v6 = host.find(':') != std::string::npos;
  const std::string url = "https://" + (is_v6 ? "[" + host + "]" : host) + ":" + port + kPath;
  return std::make_shared<TokenReview>(ClusterReview(url, directory));
}

}  // namespace penstock::auth
