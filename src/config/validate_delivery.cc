#include <algorithm>
#include <set>

#include "base/bytes.h"
#include "config/findings.h"
#include "config/values.h"
#include "kinesis/names.h"

namespace penstock::config {
namespace {

constexpr size_t kStreamsMax = 64;               // one commit thread syncs the files of all
constexpr uint64_t kRequestBytesMax = 10_MiB;    // PutRecords, since October 2025
constexpr uint64_t kRecordBytesMax = 10_MiB;     // after UpdateMaxRecordSize
constexpr uint64_t kFirehoseRecordMax = 1_MiB;   // 1,000 KiB in truth; penstock lowers 1 MiB to it
constexpr uint64_t kFirehoseRequestMax = 4_MiB;  // PutRecordBatch
constexpr milliseconds kFlushIntervalMax{900'000};

std::string list_of(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

std::string cure_for_unknown(const std::string& name, const std::vector<std::string_view>& known) {
  const std::string_view meant = nearest(name, known);
  if (!meant.empty()) return "did you mean '" + std::string(meant) + "'?";
  return known.empty() ? "there is none" : "there are: " + list_of(known);
}

void check_target(const std::string& at, const StreamOptions& stream, Findings& findings) {
  const bool firehose = stream.kind == StreamKind::firehose;
  if (stream.name.empty() && stream.arn.empty()) {
    findings.error(at, "names no stream", "give name, arn or firehose");
    return;
  }
  const auto service =
      firehose ? kinesis::StreamService::firehose : kinesis::StreamService::kinesis;
  if (stream.arn.empty()) {
    const std::string complaint = kinesis::stream_name_complaint(stream.name, service);
    if (!complaint.empty()) {
      findings.error(at + (firehose ? ".firehose" : ".name"),
                     "'" + stream.name + "' cannot be the name of a stream", complaint);
    }
  }
  if (!stream.region.empty()) {
    const std::string complaint = kinesis::region_complaint(stream.region);
    if (!complaint.empty()) {
      findings.error(at + ".region", "'" + stream.region + "' is not a region", complaint);
    }
  }
  if (!stream.endpoint.empty() && !stream.endpoint.starts_with("http://") &&
      !stream.endpoint.starts_with("https://")) {
    findings.error(at + ".endpoint", "'" + stream.endpoint + "' is not a URL",
                   "write https://kinesis.us-east-1.amazonaws.com");
  }
}

void check_firehose(const std::string& at, const StreamOptions& stream, Findings& findings) {
  if (stream.aggregation == Aggregation::kpl) {
    findings.error(at + ".aggregation", "Firehose does not take the KPL's format",
                   "use lines or none");
  }
  if (stream.order == Order::per_key) {
    findings.error(at + ".order", "Firehose keeps no order", "remove order");
  }
  if (stream.partition_key.kind != PartitionKeyKind::random) {
    findings.error(at + ".partition_key", "Firehose has no partition keys", "remove partition_key");
  }
  if (stream.max_record > kFirehoseRecordMax) {
    findings.error(at + ".max_record", "Firehose takes records of at most 1MiB", "use 1MiB");
  }
}

void check_sizes(const std::string& at, const StreamOptions& stream, Findings& findings) {
  if (stream.max_record < 1_KiB || stream.max_record > kRecordBytesMax) {
    findings.error(at + ".max_record", show_size(stream.max_record) + " is out of range",
                   "use 1KiB to 10MiB");
  }
  if (stream.flush.size < 1_KiB || stream.flush.size > kRequestBytesMax) {
    findings.error(at + ".flush.size", show_size(stream.flush.size) + " is out of range",
                   "use 1KiB to 10MiB, the largest request Kinesis takes");
  }
  if (stream.flush.interval > kFlushIntervalMax) {
    findings.error(at + ".flush.interval", "is longer than 15 minutes", "use 1s to 60s");
  }
  if (stream.kind == StreamKind::firehose && stream.flush.size > kFirehoseRequestMax) {
    findings.warn(at + ".flush.size", "Firehose takes requests of at most 4MiB",
                  "nothing to do: requests are kept to that");
  }
}

void check_inject(const std::string& at, const InjectOptions& inject, Findings& findings) {
  std::set<std::string> seen;
  for (const std::string& field : {inject.time, inject.tag, inject.id}) {
    if (!field.empty() && !seen.insert(field).second) {
      findings.error(at + ".inject", "'" + field + "' is used for two values",
                     "give each its own field");
    }
  }
  for (const FixedField& field : inject.fields) {
    if (seen.insert(field.name).second) continue;
    findings.error(at + ".inject.fields", "'" + field.name + "' is used for two values",
                   "give each its own field");
  }
  if (inject.time.empty() && inject.time_format != InjectOptions().time_format) {
    findings.warn(at + ".inject.time_format", "formats nothing while inject.time is absent",
                  "set inject.time, or remove time_format");
  }
}

// What is sent is not the object.
void check_payload(const std::string& at, const StreamOptions& stream, Findings& findings) {
  if (stream.newline && stream.kind == StreamKind::firehose) {
    findings.warn(at + ".newline", "Firehose records end with a line feed anyway",
                  "remove newline");
  }
  if (stream.data_key.empty()) return;
  if (stream.oversized == Oversized::split) {
    findings.error(at + ".oversized", "a text of data_key cannot be split: it has no place for ids",
                   "use truncate or dead_letter, or remove data_key");
  }
  if (stream.inject != InjectOptions()) {
    findings.error(at + ".inject", "adds fields to an object, and data_key sends the text of one",
                   "remove inject or data_key");
  }
}

void check_streams(const Config& config, Findings& findings) {
  if (config.streams.empty()) {
    findings.error("streams", "there is none", "add one: 'logs: {name: my-stream}'");
  }
  if (config.streams.size() > kStreamsMax) {
    findings.error("streams", std::to_string(config.streams.size()) + " are too many",
                   "at most 64 streams share a spool: run a second penstock");
  }
  for (const StreamOptions& stream : config.streams) {
    const std::string at = "streams." + stream.key;
    check_target(at, stream, findings);
    if (stream.kind == StreamKind::firehose) check_firehose(at, stream, findings);
    check_sizes(at, stream, findings);
    check_inject(at, stream.inject, findings);
    check_payload(at, stream, findings);
    validate_readers(at, stream, findings);
    if (stream.order == Order::per_key && stream.partition_key.kind == PartitionKeyKind::random) {
      findings.warn(at + ".order", "per_key orders nothing while partition_key is random",
                    "set partition_key: tag or field:…");
    }
  }
}

void check_routes(const Config& config, Findings& findings) {
  std::vector<std::string_view> sources;
  for_each_source(config, [&](const SourceOptions& source) { sources.push_back(source.name); });
  std::vector<std::string_view> streams;
  for (const StreamOptions& stream : config.streams) streams.push_back(stream.key);
  const auto known = [](const std::vector<std::string_view>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };

  std::set<std::string_view> used;
  bool everything = false;  // an earlier route takes all there is
  for (size_t i = 0; i < config.routes.size(); ++i) {
    const RouteOptions& route = config.routes[i];
    const std::string at = "routes[" + std::to_string(i) + "]";
    if (route.stream.empty()) {
      findings.error(at + ".stream", "is missing", "name the stream that gets what matches");
    } else if (!known(streams, route.stream) && !findings.has_error("streams." + route.stream)) {
      findings.error(at + ".stream", "there is no stream '" + route.stream + "'",
                     cure_for_unknown(route.stream, streams));
    }
    if (!route.source.empty() && !known(sources, route.source)) {
      findings.error(at + ".source", "there is no source '" + route.source + "'",
                     cure_for_unknown(route.source, sources));
    }
    used.insert(route.stream);
    if (everything) {
      findings.warn(at, "is never reached: an earlier route takes everything", "move it up");
    }
    everything = everything || (route.source.empty() && route.tag.empty() && !route.log_type &&
                                route.where.empty());
  }
  for (const StreamOptions& stream : config.streams) {
    if (!used.contains(stream.key)) {
      findings.warn("streams." + stream.key, "no route leads to it", "add a route, or remove it");
    }
  }
}

void check_spool(const Config& config, Findings& findings) {
  if (config.ack == AckMode::stored && config.spool.directory.empty()) {
    findings.error("ack", "stored needs spool.directory: nothing is on disk without it",
                   "set spool.directory, or ack: delivered");
  }
  uint64_t shares = 0;
  for (const StreamOptions& stream : config.streams) shares += stream.max_size;
  if (shares > config.spool.max_size) {
    findings.error("spool.max_size",
                   show_size(config.spool.max_size) +
                       " is less than the streams' max_size together, " + show_size(shares),
                   "raise it, or lower theirs");
  }
  if (config.dead_letters.directory.empty()) {
    findings.warn("dead_letters",
                  "there is no directory: what can never be delivered is dropped and counted",
                  "set spool.directory or dead_letters.directory");
  } else if (config.dead_letters.directory == config.spool.directory) {
    findings.error("dead_letters.directory", "is the spool's own directory",
                   "use <spool.directory>/dead-letter");
  }
  uint64_t largest = 0;
  for (const ForwardOptions& source : config.forward)
    largest = std::max(largest, source.max_message);
  for (const HttpOptions& source : config.http) largest = std::max(largest, source.max_body);
  if (config.streams.empty()) return;
  const uint64_t share = config.spool.max_size / config.streams.size();
  if (share < largest) {
    findings.warn("spool.max_size",
                  "a stream's share of " + show_size(share) + " cannot hold a message of " +
                      show_size(largest),
                  "raise it, or lower max_message and max_body");
  }
}

void check_roles(const std::string& aws, const std::vector<AssumeRoleOptions>& roles,
                 Findings& findings) {
  for (size_t i = 0; i < roles.size(); ++i) {
    const std::string at = aws + ".assume_role[" + std::to_string(i) + "]";
    const std::string& arn = roles[i].role_arn;
    if (const std::string complaint = kinesis::role_arn_complaint(arn); !complaint.empty()) {
      findings.error(at + ".role_arn",
                     arn.empty() ? "is missing" : "'" + arn + "' is not the ARN of a role",
                     complaint);
    }
  }
}

}  // namespace

void validate_delivery(const Config& config, Findings& findings) {
  check_streams(config, findings);
  check_routes(config, findings);
  check_spool(config, findings);
  check_roles("aws", config.aws.assume_role, findings);
  for (const StreamOptions& stream : config.streams) {
    if (!stream.aws || !stream.aws->assume_role) continue;
    check_roles("streams." + stream.key + ".aws", *stream.aws->assume_role, findings);
  }
}

}  // namespace penstock::config
