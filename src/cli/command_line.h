// From argv to an exit code: reads the command line, runs the subcommand it names.
#pragma once

namespace penstock::cli {

// argv as main() got it. Wrong usage: one clear line on stderr, and 2.
[[nodiscard]] int run_command_line(int argc, const char* const* argv);

}  // namespace penstock::cli
