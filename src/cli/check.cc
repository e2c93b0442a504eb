// `penstock check`: what is wrong with the configuration, and what penstock makes of it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/configuration_summary.h"
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
};

void print(const Problem& problem) {
  const bool warning = problem.severity == Severity::warning;
  std::fprintf(stderr, "%s%s\n", warning ? "warning: " : "error: ", to_string(problem).c_str());
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
      "check", "Say what is wrong with the configuration: file, line, key and cure");
  check_command
      ->add_option("--config,file", options->config_file,
                   "Configuration file (default /etc/penstock/penstock.yaml if it exists, else "
                   "the environment alone)")
      ->type_name("FILE");
  check_command->add_flag("--online", options->online,
                          "Also find credentials, look at the clock and reach each stream");
  check_command->footer(
      "Exits 0 when penstock could run with it (warnings may be told), 2 when not, 1 when "
      "--online\n"
      "found something that delivery needs to fail.\n"
      "Example:\n"
      "  penstock check penstock.yaml --online");
  check_command->callback([options, &exit_code] { exit_code = check(*options); });
}

}  // namespace penstock::cli
