// `--format json`: one JSON document on stdout instead of text.
#pragma once

#include <cstdint>
#include <string>

namespace CLI {
class App;
}

namespace penstock::cli {

enum class OutputFormat : uint8_t { text, json };

void add_format_option(CLI::App& command, OutputFormat& format);

// The exit code.
[[nodiscard]] int print_document(const std::string& json);

}  // namespace penstock::cli
