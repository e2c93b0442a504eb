// From a file (or the environment alone) to a Config, or to everything that is wrong with it: all
// problems at once, each with file, line, key and cure.
//
// Reads the configuration file, and looks whether the files it names (certificates, keys, secrets)
// can be read and hold what they should. Opens no port, makes no directory, resolves no name.
//
// Thread: any; keeps no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/environment.h"
#include "config/options.h"
#include "config/problem.h"

namespace penstock::config {

inline constexpr const char* kDefaultFile = "/etc/penstock/penstock.yaml";

struct Loaded {
  Config config;
  std::vector<Problem> warnings;  // it can run with these
};
// On failure: every problem, errors before warnings, each in the order of their lines.
using LoadResult = Result<Loaded, std::vector<Problem>>;

// What could be read, whatever is wrong with it: for commands that need a part of it only.
struct Reading {
  std::optional<Config> config;  // absent: not even a document
  std::vector<Problem> problems;
};
[[nodiscard]] Reading read_configuration(const std::string& path_or_empty,
                                         const Environment& environment);
[[nodiscard]] Reading read_text(std::string_view yaml, const std::string& file,
                                const Environment& environment);
[[nodiscard]] Reading read_environment(const Environment& environment);

[[nodiscard]] LoadResult load_file(const std::string& path, const Environment& environment);

// The same for a text; `file` is what problems name.
[[nodiscard]] LoadResult load_text(std::string_view yaml, const std::string& file,
                                   const Environment& environment);

// LOGGINGNAMES, KINESIS_STREAM_NAME and their kin, for deployments without a file.
[[nodiscard]] LoadResult from_environment(const Environment& environment);

// What `run` and `check` do: the file given; else kDefaultFile if it exists; else the environment.
[[nodiscard]] LoadResult load(const std::string& path_or_empty, const Environment& environment);

// Every file whose content matters and may change while we run: the configuration itself,
// certificates, keys, authorities and secrets. Without repeats, sorted.
[[nodiscard]] std::vector<std::string> watched_files(const Config& config);

}  // namespace penstock::config
