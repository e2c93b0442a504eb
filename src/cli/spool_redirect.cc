#include "cli/spool_redirect.h"

#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "admin/words.h"
#include "cli/config_option.h"
#include "cli/subcommands.h"
#include "config/loader.h"
#include "daemon/translate.h"
#include "spool/redirect.h"

namespace penstock::cli {
namespace {

struct RedirectOptions {
  std::string directory;
  std::string from;
  std::string to;
  std::string config_file;
  bool dry_run = false;
};

// What is wrong with sources, or with their certificates, does not matter here.
bool concerns_streams(const config::Problem& problem) {
  return problem.severity == config::Severity::error &&
         (problem.key.empty() || problem.key.starts_with("streams") ||
          problem.key.starts_with("aws"));
}

Result<config::StreamOptions, Error> stream_of(const RedirectOptions& options) {
  const auto reading =
      config::read_configuration(options.config_file, config::Environment::of_process());
  for (const config::Problem& problem : reading.problems) {
    if (!reading.config || concerns_streams(problem)) return usage_error(to_string(problem));
  }
  if (!reading.config) return usage_error("there is no configuration; give one with --config");
  std::string configured;
  for (const config::StreamOptions& stream : reading.config->streams) {
    if (stream.key == options.to) return stream;
    configured += (configured.empty() ? "" : ", ") + stream.key;
  }
  const std::string& file = reading.config->file;
  return usage_error("--to: " + (file.empty() ? "the environment" : file) +
                     " configures no stream '" + options.to + "'; use one of: " + configured);
}

// Files of another user's would keep penstock from starting.
Result<void, Error> check_user(const std::string& directory) {
  struct stat lock = {};
  if (::stat((directory + "/lock").c_str(), &lock) != 0 || lock.st_uid == ::geteuid()) return {};
  return run_error("the spool " + directory + " belongs to the user " +
                   std::to_string(lock.st_uid) +
                   "; run this as that user, so that penstock can read what is written");
}

int redirect(const RedirectOptions& options) {
  const auto stream = stream_of(options);
  if (!stream) return report(stream.error());
  const spool::Redirection to =
      [&](const spool::LogDescription& now) -> std::optional<spool::LogDescription> {
    // A log keeps the key it was stored under, which its segments name.
    config::StreamOptions settings = *stream;
    settings.key = now.stream;
    spool::StreamOptions log = daemon::make_log_options(settings);
    if (log.target == now.target || !is_target(now.target, options.from)) return std::nullopt;
    return spool::LogDescription{now.stream, std::move(log.target), std::move(log.settings)};
  };
  bool any_unreadable = false;
  const auto unreadable = [&](const std::string& what) {
    report_error(what);
    any_unreadable = true;
  };
  auto& files = spool::FileSystem::posix();
  if (!options.dry_run) {
    if (auto done = check_user(options.directory); !done) return report(done.error());
  }
  const auto logs = options.dry_run
                        ? spool::logs_to_redirect(files, options.directory, to, unreadable)
                        : spool::redirect_logs(files, options.directory, to, unreadable);
  if (!logs) return report(logs.error());
  if (logs->empty()) {
    report_error("nothing is stored in " + options.directory + " for the target '" + options.from +
                 "' that could go to " + options.to + "; 'penstock spool ls " + options.directory +
                 "' lists the targets");
    return kFailed;
  }
  for (const spool::RedirectedLog& log : *logs) {
    std::printf("%s of stream %s (generation %llu, %s), stored for %s, %s to %s\n",
                admin::counted(log.events, "event").c_str(), log.from.stream.c_str(),
                static_cast<unsigned long long>(log.generation),
                admin::size_text(log.bytes).c_str(), log.from.target.c_str(),
                options.dry_run ? "would be sent" : "will be sent",
                daemon::target_name(*stream).c_str());
  }
  std::puts(options.dry_run ? "Nothing was changed."
                            : "penstock delivers them when it runs again.");
  if (std::fflush(stdout) != 0) return kFailed;
  return any_unreadable ? kFailed : kDone;
}

}  // namespace

bool is_target(std::string_view target, std::string_view meant) {
  if (meant.empty()) return false;
  if (target == meant) return true;
  for (int part = 0; part < 2; ++part) {  // the kind, the region
    const size_t colon = target.find(':');
    if (colon == target.npos) return false;
    target.remove_prefix(colon + 1);
  }
  if (target == meant) return true;
  return target.starts_with("arn:") && target.substr(target.rfind('/') + 1) == meant;
}

void register_spool_redirect(CLI::App& spool, int& exit_code) {
  const auto options = std::make_shared<RedirectOptions>();
  CLI::App* const command = spool.add_subcommand(
      "redirect", "Send what is stored for one target to another stream; penstock must be stopped");
  command->add_option("DIR", options->directory, "The spool's directory (spool.directory)")
      ->required();
  command
      ->add_option("--from", options->from,
                   "Target of the stored events: its name, its ARN, or as `spool ls` prints it")
      ->type_name("TARGET")
      ->required();
  command->add_option("--to", options->to, "Key of the configured stream that they are for")
      ->type_name("STREAM")
      ->required();
  add_config_option(*command, "--config", options->config_file);
  command->add_flag("--dry-run", options->dry_run,
                    "Only print what would be sent elsewhere; also while penstock is running");
  command->footer(
      "Nothing is copied: the events stay where they are, and go to the stream with its settings\n"
      "when penstock runs again. Events in overflow logs go with them; dead letters do not\n"
      "(`penstock dead-letter replay` sends them by the routes).\n"
      "Example: the name of a stream was misspelled as my-projcets, and is corrected now.\n"
      "  penstock spool redirect /var/lib/penstock --from my-projcets --to projects --dry-run\n"
      "  penstock spool redirect /var/lib/penstock --from my-projcets --to projects");
  command->callback([options, &exit_code] { exit_code = redirect(*options); });
}

}  // namespace penstock::cli
