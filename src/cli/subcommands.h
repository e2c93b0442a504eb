// One function for each subcommand: adds it to the application, with its options, its help and what
// it does. Each lives in a file of its own; command_line.cc lists them in the order of the help.
//
// A subcommand runs in its CLI11 callback and leaves its result in exit_code:
//
//   0  done
//   1  it ran and failed
//   2  wrong usage or configuration; nothing was started
//
// Errors go to stderr by report_error(), one line each; results go to stdout.
#pragma once

#include <string_view>

namespace CLI {
class App;
}

namespace penstock {
struct Error;
}

namespace penstock::cli {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;

void register_run(CLI::App& app, int& exit_code);
void register_check(CLI::App& app, int& exit_code);
void register_estimate(CLI::App& app, int& exit_code);
void register_iam_policy(CLI::App& app, int& exit_code);
void register_migrate(CLI::App& app, int& exit_code);
void register_send(CLI::App& app, int& exit_code);
void register_tail(CLI::App& app, int& exit_code);
void register_verify(CLI::App& app, int& exit_code);
void register_unpack(CLI::App& app, int& exit_code);
void register_spool(CLI::App& app, int& exit_code);
void register_dead_letter(CLI::App& app, int& exit_code);
void register_top(CLI::App& app, int& exit_code);
void register_completion(CLI::App& app, int& exit_code);
void register_man(CLI::App& app, int& exit_code);
void register_version(CLI::App& app, int& exit_code);

// "penstock: cannot listen on 0.0.0.0:24224: …" on stderr.
void report_error(std::string_view message);
// The same, and the exit code that goes with the error's kind.
[[nodiscard]] int report(const Error& error);

}  // namespace penstock::cli
