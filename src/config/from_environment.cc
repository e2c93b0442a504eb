// The configuration of deployments that have no file: the predecessor's variables.
#include <algorithm>
#include <map>

#include "base/bytes.h"
#include "config/findings.h"
#include "config/loader.h"
#include "config/values.h"

namespace penstock::config {
namespace {

constexpr uint64_t kRequestBytesMax = 10_MiB;

// Separated by spaces, commas taken too.
std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> found;
  std::string word;
  for (const char c : text + " ") {
    if (c == ' ' || c == ',' || c == '\t' || c == '\n') {
      if (!word.empty()) found.push_back(std::move(word));
      word.clear();
    } else {
      word += c;
    }
  }
  return found;
}

class Builder {
 public:
  explicit Builder(const Environment& environment) : environment_(environment) {}

  Reading build() {
    read_streams();
    read_flush();
    read_source();
    config_.spool.directory = environment_.text("SPOOL_DIRECTORY");
    const bool is_whole = problems_.empty();
    Findings findings(
        problems_, [this](const std::string& key) { return located(key); }, {"forward"},
        [](std::string text) { return text; });
    complete(config_, environment_, false, findings);
    if (is_whole) validate(config_, findings);
    return {std::move(config_), std::move(problems_)};
  }

 private:
  void complain(std::string variable, std::string message, std::string cure) {
    problems_.push_back(
        Problem{"", 0, std::move(variable), std::move(message), std::move(cure), Severity::error});
  }

  // Which variable stands behind a key of the configuration.
  [[nodiscard]] Problem located(const std::string& key) const {
    static const std::map<std::string, std::string> variables = {
        {"forward.tls.cert", "TLS_CERT_FILE"},
        {"forward.tls.key", "TLS_KEY_FILE"},
        {"forward.shared_key_file", "SHARED_KEY_FILE"},
        {"spool.directory", "SPOOL_DIRECTORY"},
        {"dead_letters", "SPOOL_DIRECTORY"},
        {"aws.ca_bundle", "AWS_CA_BUNDLE"},
    };
    Problem problem;
    const auto found = variables.find(key);
    problem.key = found != variables.end() ? found->second : key;
    if (key.starts_with("streams.")) {
      if (key.ends_with(".region")) problem.key = "KINESIS_REGION";
      if (key.ends_with(".name")) problem.key = "KINESIS_STREAM_NAME";
      if (key.ends_with(".endpoint")) problem.key = "AWS_ENDPOINT_URL_KINESIS";
      if (key.ends_with(".flush.size")) problem.key = "BUFFER_SIZE_LIMIT";
      if (key.ends_with(".flush.interval")) problem.key = "FORWARD_FLUSH_INTERVAL";
    }
    return problem;
  }

  void read_streams() {
    const std::vector<std::string> types = words(environment_.text("LOGGINGNAMES"));
    const std::vector<std::string> names = words(environment_.text("KINESIS_STREAM_NAME"));
    if (names.empty()) {
      complain("KINESIS_STREAM_NAME", "is not set, and there is no configuration file",
               std::string("write ") + kDefaultFile +
                   ", name a file with --config, or set KINESIS_STREAM_NAME");
      return;
    }
    if (types.empty() && names.size() == 1) {  // one stream alone takes everything
      add_stream(names.front(), names.front(), std::nullopt);
      return;
    }
    if (types.size() != names.size()) {
      complain("LOGGINGNAMES",
               "lists " + std::to_string(types.size()) + " kinds of log, KINESIS_STREAM_NAME " +
                   std::to_string(names.size()) + " streams",
               "pair them: LOGGINGNAMES='projects operations audit' needs three streams");
      return;
    }
    for (size_t i = 0; i < types.size(); ++i) {
      const std::optional<LogType> type = parse_log_type(types[i]);
      if (!type) {
        complain("LOGGINGNAMES", "'" + types[i] + "' is no kind of log",
                 "use projects, operations and audit");
      } else if (std::any_of(config_.routes.begin(), config_.routes.end(),
                             [&](const RouteOptions& route) { return route.log_type == type; })) {
        complain("LOGGINGNAMES", "lists '" + types[i] + "' twice", "remove one of them");
      } else {
        add_stream(types[i], names[i], type);
      }
    }
    config_.drop_unrouted = true;
  }

  void add_stream(const std::string& key, const std::string& name, std::optional<LogType> type) {
    StreamOptions& stream = config_.streams.emplace_back();
    stream.key = key;
    stream.name = name;
    stream.region = environment_.text("KINESIS_REGION");
    RouteOptions& route = config_.routes.emplace_back();
    route.log_type = type;
    route.stream = key;
  }

  void read_flush() {
    FlushOptions flush;
    if (const std::string text = environment_.text("FORWARD_FLUSH_INTERVAL"); !text.empty()) {
      if (const auto interval = parse_duration(text)) {
        flush.interval = *interval;
      } else {
        complain("FORWARD_FLUSH_INTERVAL", "'" + text + "' cannot be used", interval.error());
      }
    }
    if (const std::string text = environment_.text("BUFFER_SIZE_LIMIT"); !text.empty()) {
      if (const auto size = parse_size(text)) {
        // Fluentd's chunks may be larger than any request to Kinesis.
        flush.size = std::min(*size, kRequestBytesMax);
      } else {
        complain("BUFFER_SIZE_LIMIT", "'" + text + "' cannot be used", size.error());
      }
    }
    for (StreamOptions& stream : config_.streams) stream.flush = flush;
  }

  void read_source() {
    ForwardOptions& source = config_.forward.emplace_back();
    source.name = "forward";
    const std::string cert = environment_.text("TLS_CERT_FILE");
    const std::string key = environment_.text("TLS_KEY_FILE");
    if (!cert.empty() || !key.empty()) {
      source.tls.emplace();
      source.tls->cert = cert;
      source.tls->key = key;
    }
    const std::string shared_key = environment_.text("SHARED_KEY_FILE");
    if (!shared_key.empty()) source.shared_key_files.push_back({shared_key});
  }

  const Environment& environment_;
  Config config_;
  std::vector<Problem> problems_;
};

}  // namespace

Reading read_environment(const Environment& environment) { return Builder(environment).build(); }

}  // namespace penstock::config
