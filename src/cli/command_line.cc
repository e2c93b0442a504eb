#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "base/log.h"
#include "cli/did_you_mean.h"
#include "cli/subcommands.h"
#include "cli/version.h"

namespace penstock::cli {
namespace {

// In the order of the help.
constexpr void (*kSubcommands[])(CLI::App&, int&) = {
    register_run,        register_check,   register_send,        register_tail, register_verify,
    register_unpack,     register_spool,   register_dead_letter, register_top,  register_estimate,
    register_iam_policy, register_migrate, register_completion,  register_man,  register_version,
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

const CLI::App& innermost(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return *at;
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

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    for (const CLI::Option* option : at->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

// CLI11 says of what it does not know that a command is missing, or "not expected".
std::string what_is_wrong(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& at = innermost(app);
  const std::vector<std::string> rest = app.remaining(true);
  for (const std::string& argument : rest) {
    if (!argument.starts_with("-")) continue;
    const std::string name = argument.substr(0, argument.find('='));
    return "unknown option " + name + did_you_mean(name, option_names(at));
  }
  if (rest.empty() || dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    return one_line(error.what());
  }
  std::vector<std::string> commands;
  for (const CLI::App* command : at.get_subcommands({})) commands.push_back(command->get_name());
  if (commands.empty()) return one_line(error.what());
  return "unknown command '" + rest[0] + "'" + did_you_mean(rest[0], commands);
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
  CLI::App app("penstock: delivers logs to AWS Kinesis without losing any", "penstock");
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
    report_error(std::string("stopped by an unexpected error: ") + error.what());
    return kFailed;
  }
  return exit_code;
}

}  // namespace penstock::cli
