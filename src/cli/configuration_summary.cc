#include "cli/configuration_summary.h"

#include <algorithm>

#include "config/values.h"

namespace penstock::cli {
namespace {

using namespace config;  // NOLINT(google-build-using-namespace): the whole file speaks of it

std::string source_line(const char* type, const SourceOptions& source, const std::string& rest) {
  std::string line = "source " + source.name + ": " + type + " on " + to_string(source.listen);
  line += source.tls ? ", TLS " + std::string(to_string(source.tls->min_version)) + " or later"
                     : ", plain text";
  if (source.tls && !source.tls->client_ca.empty()) line += ", client certificates required";
  return line + rest + "\n";
}

std::string forward_line(const ForwardOptions& source) {
  std::string rest = source.shared_key_files.empty() ? ", no shared key" : ", shared key";
  if (!source.users.empty()) rest += ", " + std::to_string(source.users.size()) + " users";
  return source_line("forward", source, rest);
}

std::string http_line(const HttpOptions& source) {
  std::string rest;
  if (!source.auth) {
    rest = ", everybody may send";
  } else {
    if (!source.auth->bearer_token_files.empty()) rest += ", bearer tokens";
    if (!source.auth->basic.empty()) rest += ", users";
    if (!source.auth->service_accounts.empty()) rest += ", service accounts";
  }
  return source_line("http", source, rest);
}

std::string syslog_line(const SyslogOptions& source) {
  return source_line("syslog", source, source.udp ? ", UDP too" : "");
}

std::string stream_line(const StreamOptions& stream) {
  std::string line = "stream " + stream.key + ": ";
  line += stream.kind == StreamKind::firehose ? "firehose " : "";
  line += stream.name + " in " + stream.region;
  if (!stream.endpoint.empty()) line += " at " + stream.endpoint;
  line += ", aggregation " + std::string(to_string(stream.aggregation));
  line += ", compression " + std::string(to_string(stream.compression));
  line += ", order " + std::string(to_string(stream.order));
  return line + "\n";
}

// A route without a condition: nothing comes behind it.
bool takes_everything(const Config& config) {
  return std::any_of(config.routes.begin(), config.routes.end(),
                     [](const RouteOptions& route) { return condition_of(route).empty(); });
}

}  // namespace

std::string condition_of(const RouteOptions& route) {
  std::string text;
  const auto add = [&text](const std::string& condition) {
    text += (text.empty() ? "" : ", ") + condition;
  };
  if (!route.source.empty()) add("source: " + route.source);
  if (!route.tag.empty()) add("tag: " + route.tag);
  if (route.log_type) add("log_type: " + std::string(to_string(*route.log_type)));
  for (const FieldCondition& field : route.where) {
    add("where: " + show_field_path(field.path) + " is " + field.pattern);
  }
  return text;
}

std::string configuration_summary(const Config& config) {
  std::string out = (config.file.empty() ? "the environment" : config.file) + ": ok\n";
  for (const ForwardOptions& source : config.forward) out += forward_line(source);
  for (const HttpOptions& source : config.http) out += http_line(source);
  for (const SyslogOptions& source : config.syslog) out += syslog_line(source);
  for (const RouteOptions& route : config.routes) {
    const std::string condition = condition_of(route);
    out +=
        "route " + (condition.empty() ? "everything" : condition) + ": to " + route.stream + "\n";
  }
  if (!takes_everything(config)) {
    out += std::string("route the rest: ") +
           (config.drop_unrouted ? "dropped (not_selected)" : "dead-lettered (no_route)") + "\n";
  }
  for (const StreamOptions& stream : config.streams) out += stream_line(stream);
  // In memory it is memory_limit that bounds it, long before max_size.
  out += "spool: " +
         (config.spool.directory.empty()
              ? "in memory only, part of memory_limit (" + show_size(config.memory_limit) + ")"
              : config.spool.directory + ", at most " + show_size(config.spool.max_size)) +
         ", when full " + to_string(config.spool.when_full) + "; ack when " +
         to_string(config.ack) + "\n";
  out += "memory: at most " + show_size(config.memory_limit) + "\n";
  out += "admin port: " + to_string(config.admin_listen) + "\n";
  return out;
}

}  // namespace penstock::cli
