#include "config/loader.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "config/findings.h"
#include "config/node_reader.h"
#include "config/schema.h"
#include "config/secret_ref.h"
#include "config/values.h"

namespace penstock::config {
namespace {

// Errors, then warnings, each by line.
Reading in_order(Reading reading) {
  std::stable_sort(reading.problems.begin(), reading.problems.end(),
                   [](const Problem& a, const Problem& b) {
                     return std::tie(a.severity, a.line) < std::tie(b.severity, b.line);
                   });
  return reading;
}

LoadResult result_of(Reading reading) {
  if (has_error(reading.problems)) return failure(std::move(reading.problems));
  return Loaded{std::move(*reading.config), std::move(reading.problems)};
}

Reading one_problem(const std::string& file, int line, std::string message, std::string cure) {
  return {std::nullopt,
          {Problem{file, line, "", std::move(message), std::move(cure), Severity::error}}};
}

std::vector<std::string> source_paths_in_order(const Config& config, NodeReader& reader) {
  std::vector<std::string> paths;
  for_each_source(config, [&](const SourceOptions& source) {
    paths.push_back(reader.source_paths()[source.name]);
  });
  return paths;
}

// One stream and no routes at all: everything goes there.
void add_only_route(Config& config, const NodeReader& reader, bool routes_given,
                    Findings& findings) {
  if (routes_given || !config.routes.empty() || config.streams.empty()) return;
  if (config.streams.size() == 1) {
    config.routes.emplace_back().stream = config.streams.front().key;
  } else {
    findings.error("routes", "are missing: " + reader.file() + " does not say what goes where",
                   "add routes, such as '- {stream: " + config.streams.front().key + "}'");
  }
}

Reading reading_of(const YAML::Node& document, const std::string& file,
                   const Environment& environment) {
  NodeReader reader(file, environment);
  Config config;
  config.file = file;
  read_document(reader, document, config);
  Lines& lines = reader.lines();
  Findings findings(
      reader.problems(),
      [&](const std::string& key) {
        Problem problem;
        problem.file = file;
        problem.line = lines.of(key);
        problem.key = key;
        return problem;
      },
      source_paths_in_order(config, reader),
      [&](std::string text) { return reader.without_values(std::move(text)); });
  complete(config, environment, lines.has("ack"), findings);
  add_only_route(config, reader, lines.has("routes"), findings);
  validate(config, findings);
  return in_order({std::move(config), std::move(reader.problems())});
}

}  // namespace

Reading read_text(std::string_view yaml, const std::string& file, const Environment& environment) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(hide_variables(yaml));
    if (documents.size() > 1) {
      return one_problem(file, 0, "holds several YAML documents", "remove all '---' but the first");
    }
    if (documents.empty() || documents.front().IsNull()) {
      return one_problem(file, 0, "is empty", "see deploy/penstock.yaml for an example");
    }
    return reading_of(documents.front(), file, environment);
  } catch (const YAML::Exception& error) {
    const int line = error.mark.is_null() ? 0 : error.mark.line + 1;
    return one_problem(file, line, "is not valid YAML: " + error.msg,
                       "mind indentation, and quote values that contain {, :, # or *");
  }
}

LoadResult load_text(std::string_view yaml, const std::string& file,
                     const Environment& environment) {
  return result_of(read_text(yaml, file, environment));
}

Reading read_configuration(const std::string& path_or_empty, const Environment& environment) {
  const bool is_named = !path_or_empty.empty();
  const std::string path = is_named ? path_or_empty : kDefaultFile;
  const auto found = read_small_file(path);
  if (found) return read_text(*found, path, environment);
  if (is_named) {
    return one_problem(path, 0, found.error().message, "give the right path with --config");
  }
  // A file that is there and cannot be read is not the same as none.
  if (found.error().message.find("No such file") == std::string::npos) {
    return one_problem(path, 0, found.error().message, "make it readable");
  }
  return read_environment(environment);
}

LoadResult load_file(const std::string& path, const Environment& environment) {
  return result_of(read_configuration(path, environment));
}

LoadResult load(const std::string& path_or_empty, const Environment& environment) {
  return result_of(read_configuration(path_or_empty, environment));
}

LoadResult from_environment(const Environment& environment) {
  return result_of(read_environment(environment));
}

std::vector<std::string> watched_files(const Config& config) {
  std::set<std::string> files;
  const auto add = [&files](const std::string& path) {
    if (!path.empty()) files.insert(path);
  };
  add(config.file);
  const auto add_tls = [&add](const std::optional<TlsServerOptions>& tls) {
    if (!tls) return;
    add(tls->cert);
    add(tls->key);
    add(tls->client_ca);
  };
  const auto add_auth = [&add](const std::optional<HttpAuthOptions>& auth) {
    if (!auth) return;
    for (const SecretRef& secret : auth->bearer_token_files) add(secret.path);
    for (const UserOptions& user : auth->basic) add(user.password_file.path);
  };
  for_each_source(config, [&](const SourceOptions& source) { add_tls(source.tls); });
  for (const ForwardOptions& source : config.forward) {
    for (const SecretRef& secret : source.shared_key_files) add(secret.path);
    for (const UserOptions& user : source.users) add(user.password_file.path);
  }
  for (const HttpOptions& source : config.http) add_auth(source.auth);
  if (config.admin_secure) {
    add_tls(config.admin_secure->tls);
    add_auth(config.admin_secure->auth);
  }
  add(config.aws.ca_bundle);
  return {files.begin(), files.end()};
}

}  // namespace penstock::config
