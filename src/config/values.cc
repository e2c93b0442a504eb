#include "config/values.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"

namespace penstock::config {
namespace {

// Splits "1.5GiB" into 1.5 and "gib". False when it does not begin with a plain decimal number.
bool split_number(std::string_view text, double& number, std::string& unit) {
  size_t digits = 0;
  while (digits < text.size() &&
         (std::isdigit(static_cast<unsigned char>(text[digits])) != 0 || text[digits] == '.')) {
    ++digits;
  }
  if (digits == 0) return false;
  const char* const end = text.data() + digits;
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || rest != end) return false;
  while (digits < text.size() && text[digits] == ' ') ++digits;
  unit = lowercase(text.substr(digits));
  return true;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  return penstock::trimmed(text, " \t\r\n\v\f");
}

Result<uint64_t, std::string> parse_size(std::string_view text) {
  static constexpr std::string_view kExpected = "expected a size such as 64MiB, 8m or 1048576";
  double number = 0;
  std::string unit;
  if (!split_number(text, number, unit)) return failure(std::string(kExpected));
  int shift = -1;
  if (unit.empty() || unit == "b") {
    shift = 0;
  } else {
    static constexpr std::string_view kPrefixes = "kmgt";
    const size_t prefix = kPrefixes.find(unit[0]);
    const std::string_view rest = std::string_view(unit).substr(1);
    if (prefix != std::string_view::npos &&
        (rest.empty() || rest == "b" || rest == "ib" || rest == "i")) {
      shift = static_cast<int>(prefix + 1) * 10;
    }
  }
  if (shift < 0) return failure(std::string(kExpected));
  const double bytes = std::ldexp(number, shift);
  if (bytes > std::ldexp(1.0, 52)) return failure(std::string("is more than 4 PiB"));
  return static_cast<uint64_t>(bytes);
}

std::string show_size(uint64_t bytes) {
  static constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (unit + 1 < kUnits.size() && bytes >= 1024 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + std::string(kUnits[unit]);
}

Result<milliseconds, std::string> parse_duration(std::string_view text) {
  static constexpr std::string_view kExpected = "expected a duration such as 5s, 500ms, 10m or 1h";
  double number = 0;
  std::string unit;
  if (!split_number(text, number, unit)) return failure(std::string(kExpected));
  double scale = 0;  // milliseconds
  if (unit.empty() || unit == "s") scale = 1e3;
  if (unit == "ms") scale = 1;
  if (unit == "m" || unit == "min") scale = 60e3;
  if (unit == "h") scale = 3600e3;
  if (unit == "d") scale = 86400e3;
  if (scale == 0) return failure(std::string(kExpected));
  const double all = number * scale;
  if (all > 3650.0 * 86400e3) return failure(std::string("is more than ten years"));
  if (all > 0 && all < 1) return failure(std::string("is less than 1ms"));
  return milliseconds(static_cast<int64_t>(std::llround(all)));
}

std::string show_duration(milliseconds duration) {
  const int64_t ms = duration.count();
  if (ms % 1000 != 0) return std::to_string(ms) + "ms";
  if (ms >= 3'600'000 && ms % 3'600'000 == 0) return std::to_string(ms / 3'600'000) + "h";
  return std::to_string(ms / 1000) + "s";
}

Result<bool, std::string> parse_switch(std::string_view text) {
  const std::string word = lowercase(text);
  if (word == "true" || word == "yes" || word == "on") return true;
  if (word == "false" || word == "no" || word == "off") return false;
  return failure(std::string("expected true or false"));
}

Result<uint32_t, std::string> parse_count(std::string_view text, uint32_t min, uint32_t max) {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || number < min || number > max) {
    return failure("expected a whole number from " + std::to_string(min) + " to " +
                   std::to_string(max));
  }
  return static_cast<uint32_t>(number);
}

Result<std::vector<std::string>, std::string> parse_field_path(std::string_view text) {
  std::vector<std::string> path;
  size_t at = 0;
  for (;;) {
    std::string part;
    if (at < text.size() && text[at] == '"') {
      const size_t close = text.find('"', at + 1);
      if (close == std::string_view::npos)
        return failure(std::string("has a quote without its end"));
      part = text.substr(at + 1, close - at - 1);
      at = close + 1;
      if (at < text.size() && text[at] != '.') {
        return failure(std::string("a quoted part ends at a dot or at the end"));
      }
    } else {
      const size_t dot = std::min(text.find('.', at), text.size());
      part = text.substr(at, dot - at);
      at = dot;
    }
    if (part.empty()) return failure(std::string("has an empty part between its dots"));
    path.push_back(std::move(part));
    if (at >= text.size()) return path;
    ++at;  // the dot; what follows it must be a part
  }
}

std::string show_field_path(const std::vector<std::string>& path) {
  std::string text;
  for (const std::string& part : path) {
    if (!text.empty()) text += '.';
    const bool quoted = part.find('.') != std::string::npos;
    text += quoted ? "\"" + part + "\"" : part;
  }
  return text;
}

std::optional<LogType> parse_log_type(std::string_view text) {
  if (text == "application" || text == "projects") return LogType::application;
  if (text == "infrastructure" || text == "operations") return LogType::infrastructure;
  if (text == "audit") return LogType::audit;
  return std::nullopt;
}

std::string complaint_about_tag_pattern(std::string_view text) {
  if (text.find_first_not_of(' ') == std::string_view::npos) return "is empty";
  if (text.find("***") != std::string_view::npos) return "has three stars in a row";
  int depth = 0;
  char before = ' ';
  for (const char c : text) {
    if (c == '{') ++depth;
    if (c == '}' && --depth < 0) return "has a '}' without its '{'";
    if (c == ' ' && depth > 0) return "has a space inside braces";
    if (depth > 0 || c == '}') {
      const bool empty_choice = (c == ',' || c == '}') && (before == ',' || before == '{');
      if (empty_choice) return "has an empty choice in its braces";
    }
    const bool starts_part = before == ' ' || before == '.';
    if (c == '.' && starts_part) return "has an empty part between its dots";
    if (c == ' ' && before == '.') return "ends with a dot";
    if (c == '#' && before == ' ') return "begins with '#': Ruby code is not supported";
    if (c == '/' && before == ' ') return "begins with '/': regular expressions are not supported";
    before = c;
  }
  if (depth > 0) return "has a '{' without its '}'";
  if (before == '.') return "ends with a dot";
  return "";
}

namespace {
// U+E000 and U+E001: in the private use area, so that no text of a configuration has them.
constexpr std::string_view kHiddenOpen = "\xee\x80\x80";
constexpr std::string_view kHiddenClose = "\xee\x80\x81";

// Where the '}' of the "${" at `open` stands, past those inside it; npos: not on its line.
size_t end_of_variable(std::string_view text, size_t open) {
  size_t depth = 0;
  for (size_t at = open; at < text.size() && text[at] != '\n'; ++at) {
    if (text[at] == '}' && --depth == 0) return at;
    if (text.substr(at).starts_with("${")) {
      ++depth;
      ++at;
    }
  }
  return std::string_view::npos;
}

}  // namespace

std::string hide_variables(std::string_view yaml) {
  std::string out;
  size_t depth = 0;  // of the variables around `at`, all of which have an end
  for (size_t at = 0; at < yaml.size(); ++at) {
    const bool opens = yaml.substr(at).starts_with("${") &&
                       (depth > 0 || end_of_variable(yaml, at) != std::string_view::npos);
    if (opens) {
      ++depth;
      ++at;
      out += '$';
      out += kHiddenOpen;
    } else if (yaml[at] == '}' && depth > 0) {
      --depth;
      out += kHiddenClose;
    } else {
      out += yaml[at];
    }
  }
  return out;
}

std::string show_variables(std::string_view scalar) {
  std::string out;
  for (size_t at = 0; at < scalar.size();) {
    const std::string_view rest = scalar.substr(at);
    if (rest.starts_with(kHiddenOpen) || rest.starts_with(kHiddenClose)) {
      out += rest.starts_with(kHiddenOpen) ? '{' : '}';
      at += kHiddenOpen.size();
    } else {
      out += scalar[at++];
    }
  }
  return out;
}

namespace {

// inside: NAME or NAME:-default, where the default may have variables of its own.
Result<std::string, std::string> value_of_variable(std::string_view inside,
                                                   const Environment& environment) {
  const size_t end = std::min(
      inside.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"),
      inside.size());
  const std::string_view name = inside.substr(0, end);
  const std::string_view rest = inside.substr(end);
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) != 0 ||
      (!rest.empty() && !rest.starts_with(":-"))) {
    return failure("'${" + std::string(inside) +
                   "}' does not name a variable: write ${NAME} or ${NAME:-default}");
  }
  const std::optional<std::string> value = environment.get(name);
  if (rest.empty()) {
    if (value) return *value;
    return failure("the environment variable " + std::string(name) + " is not set");
  }
  if (value && !value->empty()) return *value;
  return expand_variables(rest.substr(2), environment);
}

}  // namespace

Result<std::string, std::string> expand_variables(std::string_view text,
                                                  const Environment& environment) {
  std::string out;
  size_t at = 0;
  for (;;) {
    const size_t dollar = text.find("${", at);
    if (dollar == std::string_view::npos) {
      out += text.substr(at);
      return out;
    }
    if (dollar > at && text[dollar - 1] == '$') {
      out += text.substr(at, dollar - 1 - at);
      out += "${";
      at = dollar + 2;
      continue;
    }
    out += text.substr(at, dollar - at);
    const size_t close = end_of_variable(text, dollar);
    if (close == std::string_view::npos) return failure(std::string("has a '${' without its '}'"));
    auto value = value_of_variable(text.substr(dollar + 2, close - dollar - 2), environment);
    if (!value) return value;
    out += *value;
    at = close + 1;
  }
}

bool is_plain_name(std::string_view text) {
  if (text.empty() || text.size() > 128 || text.front() == '.') return false;
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
  });
}

std::string_view nearest(std::string_view text, const std::vector<std::string_view>& candidates) {
  std::string_view best;
  size_t best_distance = std::numeric_limits<size_t>::max();
  for (const std::string_view candidate : candidates) {
    const size_t distance = edit_distance(lowercase(text), candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  // A third of the letters wrong is a slip; more is another word.
  const size_t allowed = std::max<size_t>(1, std::max(text.size(), best.size()) / 3);
  return best_distance <= allowed ? best : std::string_view();
}

}  // namespace penstock::config
