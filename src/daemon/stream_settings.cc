// A stream's options as a piece of YAML, and back: what the spool keeps beside its log.
#include "config/loader.h"
#include "daemon/translate.h"

namespace penstock::daemon {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\'') out += '\'';
    if (text.compare(i, 2, "${") == 0) out += '$';  // $${ is a plain ${
    out += text[i];
  }
  return out + "'";
}

// A path with the parts that need it in quotes, as `field:` takes it.
std::string path_text(const std::vector<std::string>& path) {
  std::string text;
  for (const std::string& key : path) {
    if (!text.empty()) text += '.';
    const bool is_plain = key.find_first_of(".\"") == std::string::npos;
    text += is_plain ? key : '"' + key + '"';
  }
  return text;
}

std::string partition_key_text(const config::PartitionKeyOptions& options) {
  switch (options.kind) {
    case config::PartitionKeyKind::random:
      return "random";
    case config::PartitionKeyKind::tag:
      return "tag";
    case config::PartitionKeyKind::field:
      return "field:" + path_text(options.field);
  }
  return "random";
}

// Empty: nothing is injected.
std::string inject_text(const config::InjectOptions& inject) {
  std::string text;
  const auto add = [&](const char* key, const std::string& value) {
    text += (text.empty() ? "" : ", ") + std::string(key) + ": " + value;
  };
  if (!inject.time.empty()) add("time", quoted(inject.time));
  if (!inject.tag.empty()) add("tag", quoted(inject.tag));
  if (!inject.id.empty()) add("id", quoted(inject.id));
  if (inject.time_format != config::InjectOptions().time_format) {
    add("time_format", quoted(inject.time_format));
  }
  std::string fields;
  for (const config::FixedField& field : inject.fields) {
    fields += (fields.empty() ? "" : ", ") + quoted(field.name) + ": " + quoted(field.text);
  }
  if (!fields.empty()) add("fields", "{" + fields + "}");
  return text.empty() ? "" : "{" + text + "}";
}

std::string aws_text(const config::StreamAwsOptions& aws) {
  std::string text;
  if (aws.profile) text += "profile: " + quoted(*aws.profile);
  if (aws.assume_role) {
    std::string roles;
    for (const config::AssumeRoleOptions& hop : *aws.assume_role) {
      roles += (roles.empty() ? "{role_arn: " : ", {role_arn: ") + quoted(hop.role_arn);
      if (!hop.external_id.empty()) roles += ", external_id: " + quoted(hop.external_id);
      if (!hop.session_name.empty()) roles += ", session_name: " + quoted(hop.session_name);
      roles += "}";
    }
    text += (text.empty() ? "assume_role: [" : ", assume_role: [") + roles + "]";
  }
  return "{" + text + "}";
}

}  // namespace

std::string settings_text(const config::StreamOptions& stream) {
  std::string text;
  const auto line = [&](const char* key, const std::string& value) {
    if (!value.empty()) text += std::string("    ") + key + ": " + value + "\n";
  };
  text += "streams:\n  " + quoted(stream.key) + ":\n";
  if (stream.kind == config::StreamKind::firehose) {
    line("firehose", quoted(stream.name));
  } else if (!stream.arn.empty()) {
    line("arn", quoted(stream.arn));
  } else {
    line("name", quoted(stream.name));
  }
  line("region", stream.region.empty() ? "" : quoted(stream.region));
  line("endpoint", stream.endpoint.empty() ? "" : quoted(stream.endpoint));
  line("endpoint_mode", to_string(stream.endpoint_mode));
  line("aggregation", to_string(stream.aggregation));
  line("compression", to_string(stream.compression));
  line("partition_key", quoted(partition_key_text(stream.partition_key)));
  line("order", to_string(stream.order));
  line("data_key", stream.data_key.empty() ? "" : quoted(path_text(stream.data_key)));
  line("newline", stream.newline ? "true" : "");
  line("oversized", stream.oversized ? to_string(*stream.oversized) : "");
  line("max_record", std::to_string(stream.max_record));
  line("flush", "{interval: " + std::to_string(stream.flush.interval.count()) +
                    "ms, size: " + std::to_string(stream.flush.size) + "}");
  line("inject", inject_text(stream.inject));
  line("protocol", to_string(stream.protocol));
  line("aws", stream.aws ? aws_text(*stream.aws) : "");
  return text;
}

Result<config::StreamOptions, Error> read_settings_text(const std::string& text) {
  // The rest of a configuration, so that it is read by the same rules as the file was.
  const std::string whole = text + "sources: [{forward: {listen: '127.0.0.1:0'}}]\nroutes: []\n";
  // Whatever else is wrong by today's rules: what is stored must still be delivered.
  auto reading = config::read_text(whole, "stored settings", config::Environment());
  if (!reading.config || reading.config->streams.size() != 1) {
    return run_error(
        "settings kept in the spool name no stream" +
        (reading.problems.empty() ? std::string() : ": " + to_string(reading.problems.front())));
  }
  return std::move(reading.config->streams.front());
}

}  // namespace penstock::daemon
