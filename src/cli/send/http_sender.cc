#include <thread>

#include "cli/send/senders.h"
#include "cli/server_flags.h"
#include "net/https_client.h"
#include "protocol/forward/message_writer.h"

namespace penstock::cli {
namespace {

constexpr milliseconds kRetryPause{500};
constexpr size_t kSaidMax = 200;  // of an answer's text

class HttpSender final : public ChunkSender {
 public:
  HttpSender(HttpSendOptions options, AckLedger ledger)
      : options_(std::move(options)),
        ledger_(std::move(ledger)),
        client_(client_options(options_)) {}

  // NDJSON: one object a line.
  void append(ByteBuffer& chunk, const OutgoingEvent& event) override {
    chunk.append(event.json.view());
    chunk.push_back('\n');
  }

  Result<void, Error> send(Chunk chunk) override {
    const SteadyTime deadline = Clock::system().steady() + kAckTime;
    const int64_t sent_ns = unix_nanoseconds(Clock::system().wall());
    for (;;) {
      const net::HttpResponse response = client_.fetch(make_request(chunk));
      if (response.answered() && response.status >= 200 && response.status < 300) {
        return ledger_.enter(chunk, "http", sent_ns, unix_nanoseconds(Clock::system().wall()));
      }
      const bool passing =
          !response.answered() ? answered_once_ : response.status == 503 || response.status == 429;
      answered_once_ = answered_once_ || response.answered();
      const std::string problem = response.answered()
                                      ? what_it_says(response)
                                      : unreachable(response.failure_text, kCheckAddress);
      if (!passing || Clock::system().steady() + kRetryPause > deadline) {
        return run_error(options_.url + ": " + problem);
      }
      std::this_thread::sleep_for(kRetryPause);
    }
  }

  Result<void, Error> finish() override { return {}; }

 private:
  // "401: Authorization is missing. Use --bearer-token-file or --user".
  static std::string what_it_says(const net::HttpResponse& response) {
    std::string text = std::to_string(response.status);
    std::string said;
    for (const char c : as_text(response.body.view()).substr(0, kSaidMax)) {
      if (c == '\n') break;
      said += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
    if (!said.empty()) text += ": " + said;
    if (response.status == 401) text += ". Use --bearer-token-file or --user";
    return text;
  }

  static net::HttpOptions client_options(const HttpSendOptions& options) {
    net::HttpOptions client;
    client.connections_max = 1;
    client.ca_bundle = options.ca_file;
    client.verify_server = !options.insecure;
    client.user_agent = "penstock-send";
    return client;
  }

  net::HttpRequest make_request(const Chunk& chunk) const {
    net::HttpRequest request;
    request.url = options_.url;
    request.headers = {"Content-Type: application/x-ndjson"};
    if (!options_.authorization.empty()) {
      request.headers.push_back("Authorization: " + options_.authorization);
    }
    if (options_.gzip) {
      request.headers.emplace_back("Content-Encoding: gzip");
      request.body = protocol::forward::compress_gzip(chunk.bytes.view());
    } else {
      request.body = ByteBuffer::copy_of(chunk.bytes.view());
    }
    request.timeouts.first_byte = kAckTime;
    request.timeouts.whole = kAckTime;
    return request;
  }

  const HttpSendOptions options_;
  AckLedger ledger_;
  net::HttpsClient client_;
  bool answered_once_ = false;
};

}  // namespace

std::unique_ptr<ChunkSender> make_http_sender(HttpSendOptions options, AckLedger ledger) {
  return std::make_unique<HttpSender>(std::move(options), std::move(ledger));
}

}  // namespace penstock::cli
