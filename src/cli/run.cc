// `penstock run`: forwards until it is told to stop.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/config_option.h"
#include "cli/subcommands.h"
#include "cli/version.h"
#include "daemon/run.h"

namespace penstock::cli {

void register_run(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<daemon::RunOptions>();
  CLI::App* const run = app.add_subcommand("run", "Forward until SIGTERM or SIGINT, then drain");
  add_config_option(*run, "--config,file", options->config_file);
  run->footer(
      "SIGHUP reloads the configuration. Changes of watched files take effect without it.\n"
      "A second SIGTERM, or SIGINT, skips the waits of the drain.\n"
      "Examples:\n"
      "  penstock run penstock.yaml\n"
      "  LOGGINGNAMES='projects audit' KINESIS_STREAM_NAME='my-apps my-audit' penstock run");
  options->commit = commit();
  run->callback([options, &exit_code] { exit_code = daemon::run_daemon(*options); });
}

}  // namespace penstock::cli
