// `penstock check`: what is wrong with the configuration, and what penstock makes of it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/clock.h"
#include "cli/configuration_summary.h"
#include "cli/read/online_check.h"
#include "cli/subcommands.h"
#include "config/loader.h"
#include "daemon/translate.h"
#include "net/tls_context.h"

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

// Whether certificates and keys load and belong together; the loader only looks whether they are
// there.
std::vector<Problem> check_certificates(const config::Config& config) {
  constexpr auto kSoon = std::chrono::hours(24 * 14);
  std::vector<Problem> problems;
  config::for_each_source(config, [&](const config::SourceOptions& source) {
    if (!source.tls) return;
    Problem problem;
    problem.file = config.file;
    problem.key = "source " + source.name + ", tls";
    const auto context = daemon::make_tls(source.tls);
    if (!context) {
      problem.message = context.error().message;
      problems.push_back(std::move(problem));
      return;
    }
    const auto left = (*context)->expiry() - Clock::system().wall();
    if (left > kSoon) return;
    problem.severity = Severity::warning;
    problem.message = source.tls->cert + (left.count() < 0 ? " has expired" : " expires soon");
    problem.cure = "renew it; it is taken up without a restart";
    problems.push_back(std::move(problem));
  });
  return problems;
}

// What the loader cannot know: whether the router takes the patterns.
std::vector<Problem> check_routes(const config::Config& config) {
  const auto router = daemon::make_router(config);
  if (router) return {};
  Problem problem;
  problem.file = config.file;
  problem.key = "routes";
  problem.message = router.error().message;
  return {problem};
}

int check(const CheckOptions& options) {
  const config::LoadResult loaded =
      config::load(options.config_file, config::Environment::of_process());
  if (!loaded) {
    for (const Problem& problem : loaded.error()) print(problem);
    return kWrongUsage;
  }
  for (const Problem& problem : loaded->warnings) print(problem);
  std::vector<Problem> problems = check_certificates(loaded->config);
  for (Problem& problem : check_routes(loaded->config)) problems.push_back(std::move(problem));
  for (const Problem& problem : problems) print(problem);
  if (config::has_error(problems)) return kWrongUsage;
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
      ->add_option("--config", options->config_file,
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
      "  penstock check --config penstock.yaml --online");
  check_command->callback([options, &exit_code] { exit_code = check(*options); });
}

}  // namespace penstock::cli
