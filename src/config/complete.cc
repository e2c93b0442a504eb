// What a configuration leaves to the environment and to its other values.
#include <functional>

#include "config/environment.h"
#include "config/findings.h"
#include "config/values.h"
#include "kinesis/credentials/profile_files.h"
#include "kinesis/names.h"

namespace penstock::config {
namespace {

// AWS_REGION and its kin, else the region of the profile that the stream's keys are of.
Result<std::string, Error> default_region(const Config& config, const StreamOptions& stream,
                                          const kinesis::Environment& environment) {
  std::string region = kinesis::environment_region(environment);
  if (!region.empty()) return region;
  return kinesis::profile_region(environment, identity_of(stream, config.aws).profile);
}

void complete_arn(const std::string& at, StreamOptions& stream, Findings& findings) {
  const auto arn = kinesis::parse_stream_arn(stream.arn);
  if (!arn) {
    findings.error(at + ".arn", "'" + stream.arn + "' is not the ARN of a stream", arn.error());
    return;
  }
  if (!stream.name.empty()) {
    findings.error(
        at + ".arn",
        "conflicts with " + std::string(stream.kind == StreamKind::firehose ? "firehose" : "name"),
        "keep one of the two");
  }
  if (!stream.region.empty() && stream.region != arn->region) {
    findings.error(at + ".region", "is not the region of the arn, " + arn->region, "remove region");
  }
  stream.name = arn->name;
  stream.region = arn->region;
  if (arn->service == kinesis::StreamService::firehose) stream.kind = StreamKind::firehose;
}

void complete_stream(StreamOptions& stream, const Config& config,
                     const kinesis::Environment& environment, Findings& findings) {
  const std::string at = "streams." + stream.key;
  if (!stream.oversized) {  // a text has no place for what says that it is a part
    stream.oversized = stream.data_key.empty() ? Oversized::split : Oversized::dead_letter;
  }
  if (!stream.arn.empty()) complete_arn(at, stream, findings);
  if (stream.endpoint.empty()) {
    const bool firehose = stream.kind == StreamKind::firehose;
    stream.endpoint = kinesis::endpoint_override(environment, firehose ? "firehose" : "kinesis");
  }
  std::string cause;
  if (stream.region.empty()) {
    const auto region = default_region(config, stream, environment);
    if (region && !region->empty()) {
      const std::string complaint = kinesis::region_complaint(*region);
      if (!complaint.empty()) {  // of all streams that have none of their own: said once
        findings.error("AWS_REGION", "'" + *region + "' is not a region", complaint);
        return;
      }
      stream.region = *region;
    } else if (!region) {
      cause = ": " + region.error().message;
    }
  }
  // A local stand-in does not care, but requests are signed for some region.
  if (stream.region.empty() && !stream.endpoint.empty()) stream.region = "us-east-1";
  if (stream.region.empty() && !findings.has_error(at + ".arn")) {
    findings.error(at + ".region", "no region is known" + cause,
                   "give region, or set AWS_REGION, or a region in the profile");
  }
}

bool is_true(const std::string& text) { return parse_switch(text).value_or(false); }

}  // namespace

void complete(Config& config, const Environment& environment, bool ack_given, Findings& findings) {
  const kinesis::Environment variables = [&environment](const char* name) {
    return environment.text(name);
  };
  for (StreamOptions& stream : config.streams) {
    complete_stream(stream, config, variables, findings);
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
