#include "cli/output_format.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/subcommands.h"

namespace penstock::cli {

void add_format_option(CLI::App& command, OutputFormat& format) {
  command
      .add_option_function<std::string>(
          "--format",
          [&format](const std::string& name) {
            format = name == "json" ? OutputFormat::json : OutputFormat::text;
          },
          "text or json (default text)")
      ->type_name("F")
      ->check(CLI::IsMember({"text", "json"}));
}

int print_document(const std::string& json) {
  std::fputs((json + "\n").c_str(), stdout);
  return std::fflush(stdout) == 0 ? kDone : kFailed;
}

}  // namespace penstock::cli
