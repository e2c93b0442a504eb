// What a configuration leaves to the environment and to its other values.
#include <algorithm>

#include "config/environment.h"
#include "config/findings.h"
#include "config/secret_ref.h"
#include "config/values.h"

namespace penstock::config {
namespace {

// arn:aws:kinesis:us-east-1:123456789012:stream/my-stream
struct StreamArn {
  std::string service;
  std::string region;
  std::string name;
};

std::optional<StreamArn> parse_stream_arn(std::string_view text) {
  std::vector<std::string_view> parts;
  for (int i = 0; i < 5; ++i) {
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    parts.push_back(text.substr(0, colon));
    text.remove_prefix(colon + 1);
  }
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos || parts[0] != "arn" || !parts[1].starts_with("aws")) {
    return std::nullopt;
  }
  const std::string_view kind = text.substr(0, slash);
  const bool kinesis = parts[2] == "kinesis" && kind == "stream";
  const bool firehose = parts[2] == "firehose" && kind == "deliverystream";
  if ((!kinesis && !firehose) || parts[3].empty()) return std::nullopt;
  return StreamArn{std::string(parts[2]), std::string(parts[3]),
                   std::string(text.substr(slash + 1))};
}

std::string trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

// The region of the profile in AWS's shared configuration file; "" when it has none.
std::string region_of_profile(const Config& config, const Environment& environment) {
  std::string path = environment.text("AWS_CONFIG_FILE");
  if (path.empty()) path = environment.text("HOME") + "/.aws/config";
  const auto content = read_small_file(path);
  if (!content) return "";
  std::string profile = config.aws.profile;
  if (profile.empty()) profile = environment.text("AWS_PROFILE");
  if (profile.empty()) profile = "default";

  bool inside = false;
  std::string_view rest = *content;
  while (!rest.empty()) {
    const std::string line = trimmed(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
    if (line.starts_with('[')) {
      const std::string title = trimmed(line.substr(1, line.find(']') - 1));
      inside = title == "profile " + profile || (profile == "default" && title == "default");
    } else if (inside && line.find('=') != std::string::npos) {
      if (trimmed(line.substr(0, line.find('='))) == "region") {
        return trimmed(line.substr(line.find('=') + 1));
      }
    }
  }
  return "";
}

void complete_stream(StreamOptions& stream, const std::string& default_region,
                     const Environment& environment, Findings& findings) {
  const std::string at = "streams." + stream.key;
  if (!stream.arn.empty()) {
    const std::optional<StreamArn> arn = parse_stream_arn(stream.arn);
    if (!arn) {
      findings.error(at + ".arn", "'" + stream.arn + "' is not the ARN of a stream",
                     "write arn:aws:kinesis:us-east-1:123456789012:stream/name");
    } else {
      if (!stream.name.empty()) {
        findings.error(at + ".arn",
                       "stands beside " +
                           std::string(stream.kind == StreamKind::firehose ? "firehose" : "name"),
                       "keep one of the two");
      }
      if (!stream.region.empty() && stream.region != arn->region) {
        findings.error(at + ".region", "is not the region of the arn, " + arn->region,
                       "remove region");
      }
      stream.name = arn->name;
      stream.region = arn->region;
      if (arn->service == "firehose") stream.kind = StreamKind::firehose;
    }
  }
  if (stream.endpoint.empty()) {
    stream.endpoint =
        environment.text(stream.kind == StreamKind::firehose ? "AWS_ENDPOINT_URL_FIREHOSE"
                                                             : "AWS_ENDPOINT_URL_KINESIS");
  }
  if (stream.endpoint.empty()) stream.endpoint = environment.text("AWS_ENDPOINT_URL");
  if (stream.region.empty()) stream.region = default_region;
  // A local stand-in does not care, but requests are signed for some region.
  if (stream.region.empty() && !stream.endpoint.empty()) stream.region = "us-east-1";
}

bool is_true(const std::string& text) { return parse_switch(text).value_or(false); }

}  // namespace

void complete(Config& config, const Environment& environment, bool ack_given, Findings& findings) {
  std::string region = environment.text("AWS_REGION");
  if (region.empty()) region = environment.text("AWS_DEFAULT_REGION");
  if (region.empty()) region = region_of_profile(config, environment);
  for (StreamOptions& stream : config.streams) {
    complete_stream(stream, region, environment, findings);
  }
  if (config.dead_letters.directory.empty() && !config.spool.directory.empty()) {
    config.dead_letters.directory =
        config.spool.directory + (config.spool.directory.ends_with('/') ? "" : "/") + "dead-letter";
  }
  if (!ack_given) {
    config.ack = config.spool.directory.empty() ? AckMode::delivered : AckMode::stored;
  }
  config.own_logs.pod_namespace = environment.text("POD_NAMESPACE");
  config.own_logs.workload = environment.text("PENSTOCK_WORKLOAD");
  if (config.aws.ca_bundle.empty()) config.aws.ca_bundle = environment.text("AWS_CA_BUNDLE");
  config.aws.fips = config.aws.fips || is_true(environment.text("AWS_USE_FIPS_ENDPOINT"));
  config.aws.dual_stack =
      config.aws.dual_stack || is_true(environment.text("AWS_USE_DUALSTACK_ENDPOINT"));
}

}  // namespace penstock::config
