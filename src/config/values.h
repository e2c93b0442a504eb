// Values as people write them in the configuration: sizes, durations, switches, paths of fields,
// patterns. Pure. An error is the sentence that says what was expected.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/environment.h"
#include "config/options.h"

namespace penstock::config {

// Without the white space around it.
[[nodiscard]] std::string_view trimmed(std::string_view text);

// 1024-based: 512, 512B, 64KiB, 64kB, 8k, 8m, 1g, 2TiB, 1.5GiB; case does not matter.
[[nodiscard]] Result<uint64_t, std::string> parse_size(std::string_view text);
[[nodiscard]] std::string show_size(uint64_t bytes);

// Bare numbers are seconds: 5, 0.5, 500ms, 5s, 10m, 1h, 2d. At most ten years.
[[nodiscard]] Result<milliseconds, std::string> parse_duration(std::string_view text);
[[nodiscard]] std::string show_duration(milliseconds duration);

// true, false, yes, no, on, off.
[[nodiscard]] Result<bool, std::string> parse_switch(std::string_view text);

// A whole number from min to max.
[[nodiscard]] Result<uint32_t, std::string> parse_count(std::string_view text, uint32_t min,
                                                        uint32_t max);

// kubernetes.labels."app.kubernetes.io/name": parts between dots; quoted parts keep their dots.
[[nodiscard]] Result<std::vector<std::string>, std::string> parse_field_path(std::string_view text);
[[nodiscard]] std::string show_field_path(const std::vector<std::string>& path);

// application (projects), infrastructure (operations), audit; nullopt: none of them.
[[nodiscard]] std::optional<LogType> parse_log_type(std::string_view text);

// Whether Fluentd would take it: balanced braces without an empty choice, no empty tag part, no
// ***. Returns the complaint, or "" when there is none.
[[nodiscard]] std::string complaint_about_tag_pattern(std::string_view text);

// YAML takes the braces of a plain ${NAME} inside {…} for its own. hide_variables() writes those of
// a whole file as private characters before it is parsed; show_variables() gives a scalar its back.
[[nodiscard]] std::string hide_variables(std::string_view yaml);
[[nodiscard]] std::string show_variables(std::string_view scalar);

// Replaces ${NAME} and ${NAME:-default} (the default also when NAME is empty); a default may have
// variables of its own, as in a shell: ${A:-${B:-c}}. $${ is a plain ${. An error names the
// variable, never a value.
[[nodiscard]] Result<std::string, std::string> expand_variables(std::string_view text,
                                                                const Environment& environment);

// A name that is a metric label and a folder: letters, digits, '_', '-', '.'; 1 to 128 of them, and
// not starting with a dot.
[[nodiscard]] bool is_plain_name(std::string_view text);

// The candidate nearest to text, if one is near enough to be meant; else "".
[[nodiscard]] std::string_view nearest(std::string_view text,
                                       const std::vector<std::string_view>& candidates);

}  // namespace penstock::config
