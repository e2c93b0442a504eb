#include "net/http_transfer.h"

#include <strings.h>
#include <unistd.h>

#include <cctype>
#include <charconv>
#include <optional>
#include <system_error>

#include "base/check.h"

namespace penstock::net {
namespace {

CURL* make_easy() {
  initialise_libcurl();
  CURL* easy = curl_easy_init();
  CHECK(easy != nullptr);
  return easy;
}

template <class T>
void set(CURL* easy, CURLoption option, T value) {
  // Fails only for options this libcurl does not know or for lack of memory.
  CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

bool has_name(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line[name.size()] == ':' &&
         strncasecmp(line.data(), name.data(), name.size()) == 0;
}

std::string_view value_of(std::string_view line) {
  line.remove_prefix(line.find(':') + 1);
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\n')) {
    line.remove_suffix(1);
  }
  constexpr size_t kKeptMax = 512;  // no header we read is longer
  return line.substr(0, kKeptMax);
}

nanoseconds time_of(CURL* easy, CURLINFO info) {
  curl_off_t microseconds = 0;
  curl_easy_getinfo(easy, info, &microseconds);
  return std::chrono::microseconds(microseconds);
}

// "https://host/path" to "host:443".
std::string host_and_port(const std::string& url) {
  const size_t behind_scheme = url.find("://");
  const size_t from = behind_scheme == std::string::npos ? 0 : behind_scheme + 3;
  const std::string place = url.substr(from, url.find_first_of("/?", from) - from);
  if (place.find(':', place.rfind(']') + 1) != std::string::npos) return place;
  return place + (url.starts_with("https:") ? ":443" : ":80");
}

// "Failed to connect to proxy.example port 3128 after 0 ms: …" to "proxy.example:3128".
std::optional<std::string> peer_in(const std::string& said) {
  constexpr std::string_view kBefore = "Failed to connect to ";
  constexpr std::string_view kPort = " port ";
  if (!said.starts_with(kBefore)) return std::nullopt;
  const size_t port = said.find(kPort);
  if (port == std::string::npos) return std::nullopt;
  const size_t from = port + kPort.size();
  return said.substr(kBefore.size(), port - kBefore.size()) + ":" +
         said.substr(from, said.find(' ', from) - from);
}

std::string without_quotes(std::string text) {
  std::erase(text, '\'');
  return text;
}

}  // namespace

void initialise_libcurl() {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(initialised == CURLE_OK);
}

HttpTransfer::HttpTransfer(const HttpOptions& options) : easy_(make_easy()) {
  set(easy_, CURLOPT_NOSIGNAL, 1L);
  set(easy_, CURLOPT_ERRORBUFFER, error_text_);
  set(easy_, CURLOPT_PRIVATE, this);
  set(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy_, CURLOPT_TCP_NODELAY, 1L);
  set(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
  set(easy_, CURLOPT_NOPROGRESS, 1L);
  set(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  // libcurl copies each body through this buffer, from POSTFIELDS and from a READFUNCTION alike: at
  // most 6 % of the CPU time (memmove in perf; plain, chunks of 1,000). Sizes of 16 KiB to 256 KiB
  // cost the same within the noise. Only CURLOPT_CONNECT_ONLY and an HTTP/1.1 client of our own
  // would do without, with its own rules for kept connections and repeats.
  set(easy_, CURLOPT_UPLOAD_BUFFERSIZE, static_cast<long>(options.upload_buffer_bytes));
  set(easy_, CURLOPT_BUFFERSIZE, 64L << 10);
  set(easy_, CURLOPT_MAXAGE_CONN, static_cast<long>(options.idle_connection_max.count()));
  set(easy_, CURLOPT_USERAGENT, options.user_agent.c_str());
  set(easy_, CURLOPT_HEADERFUNCTION, &HttpTransfer::on_header);
  set(easy_, CURLOPT_HEADERDATA, this);
  set(easy_, CURLOPT_WRITEFUNCTION, &HttpTransfer::on_body);
  set(easy_, CURLOPT_WRITEDATA, this);
  set(easy_, CURLOPT_PREREQFUNCTION, &HttpTransfer::before_request);
  set(easy_, CURLOPT_PREREQDATA, this);
  // A rotated certificate bundle is taken up without a restart.
  set(easy_, CURLOPT_CA_CACHE_TIMEOUT, 600L);
  // libcurl keeps the parsed store between connections only while no directory is searched too.
  const char* bundle = options.ca_bundle.empty() ? curl_version_info(CURLVERSION_NOW)->cainfo
                                                 : options.ca_bundle.c_str();
  if (bundle != nullptr && (!options.ca_bundle.empty() || access(bundle, R_OK) == 0)) {
    set(easy_, CURLOPT_CAINFO, bundle);
    set(easy_, CURLOPT_CAPATH, static_cast<char*>(nullptr));
  }
  if (!options.verify_server) {
    set(easy_, CURLOPT_SSL_VERIFYPEER, 0L);
    set(easy_, CURLOPT_SSL_VERIFYHOST, 0L);
  }
}

HttpTransfer::~HttpTransfer() {
  curl_easy_cleanup(easy_);
  curl_slist_free_all(header_list_);
}

void HttpTransfer::begin(HttpRequest request, const std::string& proxy) {
  request_ = std::move(request);
  response_ = {};
  times_sent_ = 0;
  answer_begun_ = false;
  uploaded_ = -1;
  still_ticks_ = 0;
  error_text_[0] = '\0';

  for (const std::string& header : request_.headers) {
    header_list_ = curl_slist_append(header_list_, header.c_str());
    CHECK(header_list_ != nullptr);
  }
  // Without this libcurl asks for leave (100-continue) before it sends a large body.
  header_list_ = curl_slist_append(header_list_, "Expect:");
  CHECK(header_list_ != nullptr);
  set(easy_, CURLOPT_HTTPHEADER, header_list_);
  set(easy_, CURLOPT_URL, request_.url.c_str());
  if (request_.method == "POST") {
    set(easy_, CURLOPT_POST, 1L);
    const ByteView body = request_.body.view();
    set(easy_, CURLOPT_POSTFIELDS, body.empty() ? "" : as_text(body).data());
    set(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    set(easy_, CURLOPT_CUSTOMREQUEST, static_cast<char*>(nullptr));
  } else {
    set(easy_, CURLOPT_HTTPGET, 1L);
    set(easy_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
  set(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.timeouts.connect.count()));
  set(easy_, CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeouts.whole.count()));
  set(easy_, CURLOPT_FRESH_CONNECT, 0L);
  // Both set, so that libcurl does not look into the environment itself. "" excepts nothing.
  set(easy_, CURLOPT_PROXY, proxy.c_str());
  set(easy_, CURLOPT_NOPROXY, "");
}

// Called once for each time the request is about to go out. libcurl repeats a request by itself
// when a kept connection ends before a byte has come back; that repeat must use a new connection,
// so that there is never a third.
int HttpTransfer::before_request(void* self, char*, char*, int, int) {
  auto* transfer = static_cast<HttpTransfer*>(self);
  ++transfer->times_sent_;
  curl_easy_setopt(transfer->easy_, CURLOPT_FRESH_CONNECT, 1L);
  return CURL_PREREQFUNC_OK;
}

size_t HttpTransfer::on_header(char* bytes, size_t size, size_t count, void* self) {
  auto* transfer = static_cast<HttpTransfer*>(self);
  transfer->answer_begun_ = true;
  transfer->take_header({bytes, size * count});
  return size * count;
}

void HttpTransfer::take_header(std::string_view line) {
  if (line.starts_with("HTTP/")) {  // a new header block: what came with a 100 is void
    response_.content_type.clear();
    response_.request_id.clear();
    response_.error_type.clear();
    response_.date.clear();
    response_.retry_after_ms = -1;
  } else if (has_name(line, "x-amzn-requestid") || has_name(line, "x-amz-request-id")) {
    response_.request_id = value_of(line);
  } else if (has_name(line, "x-amzn-errortype")) {
    response_.error_type = value_of(line);
  } else if (has_name(line, "content-type")) {
    response_.content_type = value_of(line);
  } else if (has_name(line, "date")) {
    response_.date = value_of(line);
  } else if (has_name(line, "x-amz-retry-after")) {
    const std::string_view text = value_of(line);
    int64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec == std::errc() && value >= 0) response_.retry_after_ms = value;
  }
}

size_t HttpTransfer::on_body(char* bytes, size_t size, size_t count, void* self) {
  auto* transfer = static_cast<HttpTransfer*>(self);
  ByteBuffer& body = transfer->response_.body;
  const size_t received = size * count;
  if (received > transfer->request_.response_bytes_max - body.size()) return 0;  // WRITE_ERROR
  if (body.capacity() == 0) {
    // What the server announced, so that the answer is laid down once.
    curl_off_t announced = 0;
    curl_easy_getinfo(transfer->easy_, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    const auto limit = static_cast<curl_off_t>(transfer->request_.response_bytes_max);
    if (announced > 0 && announced <= limit) body.reserve(static_cast<size_t>(announced));
  }
  body.append(ByteView(reinterpret_cast<const uint8_t*>(bytes), received));
  return received;
}

bool HttpTransfer::stalled() {
  // Connecting has a deadline of its own, and so has the answer once it has begun.
  if (times_sent_ == 0 || answer_begun_) return false;
  curl_off_t uploaded = 0;
  curl_easy_getinfo(easy_, CURLINFO_SIZE_UPLOAD_T, &uploaded);
  still_ticks_ = std::exchange(uploaded_, uploaded) == uploaded ? still_ticks_ + 1 : 0;
  return still_ticks_ >= kStallTicks;
}

RequestWritten HttpTransfer::written() const {
  if (times_sent_ == 0) return RequestWritten::none;
  curl_off_t body_bytes = 0;
  long all_bytes = 0;
  curl_easy_getinfo(easy_, CURLINFO_SIZE_UPLOAD_T, &body_bytes);
  curl_easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &all_bytes);
  if (all_bytes == 0) return RequestWritten::none;
  return body_bytes >= static_cast<curl_off_t>(request_.body.size()) ? RequestWritten::all
                                                                     : RequestWritten::part;
}

HttpFailure HttpTransfer::classify(CURLcode code) const {
  long tunnel_status = 0;
  curl_easy_getinfo(easy_, CURLINFO_HTTP_CONNECTCODE, &tunnel_status);
  if (code != CURLE_OK && tunnel_status != 0 && tunnel_status / 100 != 2) return HttpFailure::proxy;
  switch (code) {
    case CURLE_OK:
      return HttpFailure::none;
    case CURLE_COULDNT_RESOLVE_HOST:
      return HttpFailure::resolve;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
      return HttpFailure::proxy;
    case CURLE_COULDNT_CONNECT:
      return HttpFailure::connect;
    case CURLE_OPERATION_TIMEDOUT:
      return times_sent_ == 0 ? HttpFailure::connect : HttpFailure::timeout;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return HttpFailure::tls;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
      return HttpFailure::reset;
    case CURLE_WRITE_ERROR:
      return HttpFailure::response_too_large;
    case CURLE_ABORTED_BY_CALLBACK:
      return HttpFailure::canceled;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:  // "HTTP/0.9 not allowed"
    case CURLE_BAD_CONTENT_ENCODING:
      return HttpFailure::bad_response;
    default:
      return HttpFailure::internal;
  }
}

// What happened and with whom, without libcurl's quotes and times.
std::string HttpTransfer::failure_text(CURLcode code) const {
  const std::string said = error_text_[0] != '\0' ? error_text_ : curl_easy_strerror(code);
  const std::string where = host_and_port(request_.url);
  switch (response_.failure) {
    case HttpFailure::resolve:
      return "cannot resolve the host name of " + where;
    case HttpFailure::connect: {
      long error = 0;
      curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &error);
      std::string why = error == 0 || code == CURLE_OPERATION_TIMEDOUT
                            ? "no answer within the deadline"
                            : std::generic_category().message(static_cast<int>(error));
      if (!why.empty())
        why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
      return "cannot connect to " + peer_in(said).value_or(where) + " (" + why + ")";
    }
    case HttpFailure::tls:
      return "TLS with " + where + " failed: " + without_quotes(said);
    case HttpFailure::proxy:
      return "the proxy gives no connection to " + where + ": " + without_quotes(said);
    case HttpFailure::timeout:
      return "no answer from " + where + " within the deadline";
    case HttpFailure::reset:
      return "connection to " + where + " ended before the answer";
    default:
      return "request to " + where + " failed: " + without_quotes(said);
  }
}

HttpResponse HttpTransfer::end(CURLcode code) {
  response_.failure = classify(code);
  if (code != CURLE_OK) {
    response_.failure_text = failure_text(code);
  }
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<int>(status);
  response_.written = written();
  response_.resent = times_sent_ > 1;
  long connections = 0;
  curl_easy_getinfo(easy_, CURLINFO_NUM_CONNECTS, &connections);
  if (connections > 0) response_.connect_time = time_of(easy_, CURLINFO_PRETRANSFER_TIME_T);
  response_.first_byte_time = time_of(easy_, CURLINFO_STARTTRANSFER_TIME_T);
  response_.total_time = time_of(easy_, CURLINFO_TOTAL_TIME_T);
  response_.request_body = std::move(request_.body);

  set(easy_, CURLOPT_HTTPHEADER, static_cast<curl_slist*>(nullptr));
  set(easy_, CURLOPT_POSTFIELDS, "");
  curl_slist_free_all(std::exchange(header_list_, nullptr));
  return std::move(response_);
}

}  // namespace penstock::net
