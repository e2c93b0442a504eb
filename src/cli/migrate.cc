// `penstock migrate`: a Fluentd configuration as a penstock.yaml, with a report of what became of
// it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/migrate/migration.h"
#include "cli/subcommands.h"

namespace penstock::cli {
namespace {

struct MigrateFlags {
  std::string file;
  MigrationOptions options;
};

void print_findings(const Migration& migration, Verdict verdict, const char* title) {
  bool is_first = true;
  for (const Finding& finding : migration.findings) {
    if (finding.verdict != verdict) continue;
    if (is_first) std::fprintf(stderr, "\n%s:\n", title);
    is_first = false;
    std::fprintf(stderr, "  %s:%u: %s: %s\n", finding.place.file.c_str(), finding.place.line,
                 finding.setting.c_str(), finding.text.c_str());
  }
}

int run_migrate(const MigrateFlags& flags) {
  auto root = read_fluent_config(flags.file);
  if (!root) return report(root.error());
  const Migration migration = migrate(*root, flags.options);
  if (std::fputs(migration.yaml.c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
    report_error("cannot write to stdout");
    return kFailed;
  }
  print_findings(migration, Verdict::exact, "Taken over");
  print_findings(migration, Verdict::safer, "Taken over more safely");
  print_findings(migration, Verdict::step, "Taken over; action needed");
  print_findings(migration, Verdict::impossible, "Not possible");
  return migration.complete() ? kDone : kFailed;
}

}  // namespace

void register_migrate(CLI::App& app, int& exit_code) {
  const auto flags = std::make_shared<MigrateFlags>();
  CLI::App* const command =
      app.add_subcommand("migrate", "Turn a Fluentd configuration into a penstock.yaml");
  command->add_option("file", flags->file, "Fluentd's configuration (fluent.conf, td-agent.conf)")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--secrets", flags->options.secrets_directory,
                   "Where penstock will find files with secrets")
      ->type_name("DIR")
      ->capture_default_str();
  command
      ->add_option("--spool", flags->options.spool_directory, "Where penstock will keep its spool")
      ->type_name("DIR")
      ->capture_default_str();
  command->footer(
      "The penstock.yaml goes to stdout. The report goes to stderr, each setting with file and\n"
      "line: taken over, taken over more safely, action needed, or not possible (exit 1).\n"
      "Example:\n"
      "  penstock migrate /etc/td-agent/td-agent.conf > penstock.yaml\n"
      "  penstock check --config penstock.yaml");
  command->callback([flags, &exit_code] { exit_code = run_migrate(*flags); });
}

}  // namespace penstock::cli
