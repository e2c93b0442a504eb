// `penstock check`: what is wrong with the configuration, and what penstock makes of it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/config_option.h"
#include "cli/configuration_summary.h"
#include "cli/output_format.h"
#include "cli/read/online_check.h"
#include "cli/subcommands.h"
#include "config/loader.h"
#include "daemon/preflight.h"

namespace penstock::cli {
namespace {

using config::Problem;
using config::Severity;

struct CheckOptions {
  std::string config_file;
  bool online = false;
  OutputFormat format = OutputFormat::text;
};

void print(const Problem& problem) {
  const bool warning = problem.severity == Severity::warning;
  std::fprintf(stderr, "%s%s\n", warning ? "warning: " : "error: ", to_string(problem).c_str());
}

// What a check came to.
struct Outcome {
  std::string file;
  std::vector<Problem> problems;
  std::vector<std::string> summary;  // lines; none when penstock could not run with it
  std::vector<std::string> online;   // the same, with --online
  int exit_code = kDone;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// What check_online() prints.
std::string online_text(const config::Config& config, bool& is_good) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* const out = ::open_memstream(&text, &size);
  if (out == nullptr) return {};
  is_good = check_online(config, out);
  std::fclose(out);
  std::string printed(text, size);
  std::free(text);
  return printed;
}

int print_json(const Outcome& outcome) {
  nlohmann::ordered_json problems = nlohmann::ordered_json::array();
  for (const Problem& problem : outcome.problems) {
    const bool warning = problem.severity == Severity::warning;
    problems.push_back({{"severity", warning ? "warning" : "error"},
                        {"file", problem.file},
                        {"line", problem.line},
                        {"key", problem.key},
                        {"message", problem.message},
                        {"cure", problem.cure}});
  }
  const nlohmann::ordered_json document{{"file", outcome.file},
                                        {"ok", outcome.exit_code == kDone},
                                        {"problems", std::move(problems)},
                                        {"summary", outcome.summary},
                                        {"online", outcome.online}};
  // A path may be any bytes.
  const int printed =
      print_document(document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  return outcome.exit_code == kDone ? printed : outcome.exit_code;
}

int check_as_json(const CheckOptions& options) {
  const auto environment = config::Environment::of_process();
  const config::LoadResult loaded = config::load(options.config_file, environment);
  Outcome outcome;
  outcome.file = options.config_file;
  if (!loaded) {
    outcome.problems = loaded.error();
    outcome.exit_code = kWrongUsage;
    return print_json(outcome);
  }
  outcome.file = loaded->config.file;
  outcome.problems = loaded->warnings;
  for (const auto& problems : {daemon::check_settings(loaded->config, environment),
                               daemon::check_surroundings(loaded->config, environment)}) {
    outcome.problems.insert(outcome.problems.end(), problems.begin(), problems.end());
  }
  if (config::has_error(outcome.problems)) {
    outcome.exit_code = kWrongUsage;
    return print_json(outcome);
  }
  outcome.summary = lines_of(configuration_summary(loaded->config));
  if (options.online) {
    bool is_good = true;
    outcome.online = lines_of(online_text(loaded->config, is_good));
    if (!is_good) outcome.exit_code = kFailed;
  }
  return print_json(outcome);
}

int check(const CheckOptions& options) {
  const auto environment = config::Environment::of_process();
  const config::LoadResult loaded = config::load(options.config_file, environment);
  if (!loaded) {
    for (const Problem& problem : loaded.error()) print(problem);
    return kWrongUsage;
  }
  for (const Problem& problem : loaded->warnings) print(problem);
  bool is_usable = true;
  for (const auto& problems : {daemon::check_settings(loaded->config, environment),
                               daemon::check_surroundings(loaded->config, environment)}) {
    for (const Problem& problem : problems) print(problem);
    is_usable = is_usable && !config::has_error(problems);
  }
  if (!is_usable) return kWrongUsage;
  std::fputs(configuration_summary(loaded->config).c_str(), stdout);
  if (options.online && !check_online(loaded->config, stdout)) return kFailed;
  return std::fflush(stdout) == 0 ? kDone : kFailed;
}

}  // namespace

void register_check(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<CheckOptions>();
  CLI::App* const check_command = app.add_subcommand(
      "check", "Check a configuration: each problem with file, line, key and fix");
  add_config_option(*check_command, "--config,file", options->config_file);
  check_command->add_flag("--online", options->online,
                          "Also resolve credentials, check the clock, and reach each stream");
  check_command->footer(
      "Exits 0 if penstock can run with it (there may be warnings), 2 if not, and 1 if --online\n"
      "found a problem that would stop delivery.\n"
      "Example:\n"
      "  penstock check penstock.yaml --online");
  add_format_option(*check_command, options->format);
  check_command->callback([options, &exit_code] {
    exit_code = options->format == OutputFormat::json ? check_as_json(*options) : check(*options);
  });
}

}  // namespace penstock::cli
