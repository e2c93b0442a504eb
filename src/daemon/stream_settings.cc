// A stream's options as a piece of YAML, and back: what the spool keeps beside its log.
#include "config/loader.h"
#include "daemon/translate.h"

namespace penstock::daemon {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
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
  line("oversized", to_string(stream.oversized));
  line("max_record", std::to_string(stream.max_record));
  line("flush", "{interval: " + std::to_string(stream.flush.interval.count()) +
                    "ms, size: " + std::to_string(stream.flush.size) + "}");
  const config::InjectOptions& inject = stream.inject;
  std::string fields;
  const auto field = [&](const char* key, const std::string& name) {
    if (!name.empty())
      fields += (fields.empty() ? "" : ", ") + std::string(key) + ": " + quoted(name);
  };
  field("time", inject.time);
  field("tag", inject.tag);
  field("id", inject.id);
  line("inject", fields.empty() ? "" : "{" + fields + "}");
  line("protocol", to_string(stream.protocol));
  return text;
}

Result<config::StreamOptions, Error> read_settings_text(const std::string& text) {
  // The rest of a configuration, so that it is read by the same rules as the file was.
  const std::string whole = text + "sources: [{forward: {listen: '127.0.0.1:0'}}]\nroutes: []\n";
  auto loaded = config::load_text(whole, "stored settings", config::Environment());
  if (!loaded) {
    return run_error("settings kept in the spool cannot be read: " +
                     to_string(loaded.error().front()));
  }
  if (loaded->config.streams.size() != 1)
    return run_error("settings kept in the spool name no stream");
  return std::move(loaded->config.streams.front());
}

}  // namespace penstock::daemon
