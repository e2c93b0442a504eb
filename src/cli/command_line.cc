#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "base/log.h"
#include "cli/subcommands.h"
#include "cli/version.h"

namespace penstock::cli {
namespace {

// In the order of the help.
constexpr void (*kSubcommands[])(CLI::App&, int&) = {
    register_run,   register_check,       register_send,     register_tail,       register_verify,
    register_spool, register_dead_letter, register_estimate, register_iam_policy, register_version,
};

// Takes effect at once, so that the subcommand already logs that way.
template <class Parse, class Set>
void add_log_option(CLI::App& app, const char* name, const char* help, Parse parse, Set set) {
  app.add_option_function<std::string>(
         name,
         [parse, set, name](const std::string& text) {
           const auto value = parse(text);
           if (!value) throw CLI::ValidationError(name, value.error().message);
           set(*value);
         },
         help)
      ->trigger_on_parse()
      ->type_name("");
}

// CLI11's sentence, without its line breaks.
std::string one_line(const std::string& text) {
  std::string line;
  for (const char c : text) {
    if (c != '\n') {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  return line;
}

// The subcommand that was being read, for the cure.
std::string command_of(const CLI::App& app) {
  std::string command = "penstock";
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    command += " " + at->get_name();
  }
  return command;
}

// CLI11 says of a command that it does not know only that one is missing.
std::string what_is_wrong(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> rest = app.remaining();
  const bool is_unknown = app.get_subcommands().empty() && !rest.empty() && rest[0][0] != '-';
  return is_unknown ? "unknown command '" + rest[0] + "'" : one_line(error.what());
}

}  // namespace

void report_error(std::string_view message) {
  std::fprintf(stderr, "penstock: %.*s\n", static_cast<int>(message.size()), message.data());
}

int report(const Error& error) {
  report_error(error.message);
  return error.kind == Error::Kind::usage ? kWrongUsage : kFailed;
}

int run_command_line(int argc, const char* const* argv) {
  CLI::App app("penstock: OpenShift's logs into AWS Kinesis, none lost", "penstock");
  app.set_version_flag(
      "--version", [] { return version_line(); }, "Print the version and exit");
  app.require_subcommand(1);
  app.fallthrough();
  app.get_formatter()->column_width(34);
  add_log_option(app, "--log-level", "What is logged: debug, info, warn or error (default info)",
                 parse_log_level, set_log_level);
  add_log_option(app, "--log-format", "How it is logged on stderr: logfmt or json (default logfmt)",
                 parse_log_format, set_log_format);
  int exit_code = kDone;
  for (const auto register_one : kSubcommands) register_one(app, exit_code);
  // Last: commands without a footer of their own would take this one on.
  app.footer(
      "Examples:\n"
      "  penstock check --config penstock.yaml\n"
      "  penstock run --config penstock.yaml\n"
      "Help on a command: penstock COMMAND --help");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    report_error(what_is_wrong(app, error) + " (see: " + command_of(app) + " --help)");
    return kWrongUsage;
  } catch (const std::exception& error) {
    report_error(std::string("stopped by an error nobody expected: ") + error.what());
    return kFailed;
  }
  return exit_code;
}

}  // namespace penstock::cli
